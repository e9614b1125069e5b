/** What the figures of a portfolio say of the last day, with the clock in hand. */
import { expect, it } from 'vitest';
import { encodeFacts, type Facts, QUARTER_SECONDS } from '../changes/facts.js';
import { partOf, sumOf } from './figures.js';

const QUARTERS_A_DAY = 96;
/** The quarter of an hour that it is. */
const NOW = 1_966_666;
const at = (quarter: number): number => quarter * QUARTER_SECONDS;

const part = (type: string, facts: Partial<Facts>) =>
  partOf({ [type]: encodeFacts({ count: 0, open: new Map(), severity: undefined, ...facts }) });

it('of every quarter of an hour they say what was new and what was resolved, of all properties together', () => {
  const parts = [
    part('HPD', { count: 2, recent: [NOW - 3, 2, NOW, 1], resolved: [NOW, 1] }),
    part('ECB', { resolved: [NOW - 3, 4] }),
  ];
  expect(sumOf(parts, at(NOW))).toMatchObject({
    new_24h: 3,
    resolved_24h: 5,
    by_type: { ECB: { open_violations: 0, resolved_24h: 4 }, HPD: { new_24h: 3, resolved_24h: 1 } },
    by_quarter: [
      [at(NOW - 3), 2, 4],
      [at(NOW), 1, 1],
    ],
  });
});

it('what was resolved a day ago leaves them as time passes, though nothing else happens', () => {
  const parts = [part('HPD', { resolved: [NOW, 2] })];
  const later = (quarters: number) => sumOf(parts, at(NOW + quarters));
  expect(later(QUARTERS_A_DAY)).toMatchObject({ resolved_24h: 2, by_quarter: [[at(NOW), 0, 2]] });
  expect(later(QUARTERS_A_DAY + 1)).toMatchObject({ resolved_24h: 0, by_type: {}, by_quarter: [] });
});
