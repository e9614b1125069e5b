/** What was accepted is in the log, or Redis lost it: one master after the other emptied is told from a lost change. */
import { expect, it } from 'vitest';
import { type LossyFault, tornBy } from './accepted.js';

const flush: LossyFault = { kind: 'FLUSHALL', from: 0, until: 2_000, tornFrom: 1_000 };

it('what went in while masters were emptied one after the other may be gone on one of them', () => {
  expect(tornBy([flush], 1_500)).toBe(flush);
});

it.each([
  ['before it', flush, 999],
  ['after it', flush, 2_001],
  ['while one Redis was emptied at once', { kind: 'FLUSHALL', from: 0, until: 2_000 }, 1_500],
])('what went in %s is not excused', (_, fault, at) => {
  expect(tornBy([fault], at)).toBeUndefined();
});
