import { describe, expect, it } from 'vitest';
import { judge } from './continuity.js';

const at = (epoch: number, offset: number) => ({ epoch, offset });

describe('an event', () => {
  it.each([
    ['is next where nothing is known', undefined, at(5, 9), 'next'],
    ['is next one offset later', at(5, 9), at(5, 10), 'next'],
    ['is known at the same offset', at(5, 9), at(5, 9), 'known'],
    ['is known at an earlier offset', at(5, 9), at(5, 2), 'known'],
    ['shows a hole two offsets later', at(5, 9), at(5, 11), 'hole'],
    ['is next at the beginning of a later epoch', at(5, 9), at(6, 1), 'next'],
    ['is next at the mark that a later epoch may begin with', at(5, 9), at(7, 0), 'next'],
    ['shows a hole where a later epoch begins behind its beginning', at(5, 9), at(6, 40), 'hole'],
    ['is known in an earlier epoch, whatever its offset', at(5, 9), at(4, 10), 'known'],
  ] as const)('%s', (_what, last, next, verdict) => {
    expect(judge(last, next)).toBe(verdict);
  });
});
