import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  decodeFacts,
  encodeFacts,
  type Facts,
  QUARTER_SECONDS,
  type Quarters,
  recentWith,
  withinADay,
} from './facts.js';

const DAY = 86_400;
const NOW = 1_770_000_000;
const facts = (recent?: Quarters, resolved?: Quarters): Facts => {
  return { count: 3, open: new Map(), severity: undefined, recent, resolved };
};
const sumWithinADay = (recent: Quarters = [], now: number): number =>
  [...withinADay(recent, now)].reduce((sum, [, count]) => sum + count, 0);

describe('what was new or resolved within a day', () => {
  it('is kept with the facts', () => {
    const recent = recentWith(undefined, 2, NOW, NOW);
    const resolved = recentWith(undefined, 1, NOW - 2 * QUARTER_SECONDS, NOW);
    expect(decodeFacts(encodeFacts(facts(recent, resolved)))).toEqual(facts(recent, resolved));
    expect(sumWithinADay(recent, NOW)).toBe(2);
  });

  it('is forgotten after a day', () => {
    const recent = recentWith(undefined, 2, NOW, NOW);
    expect(sumWithinADay(recent, NOW + DAY + QUARTER_SECONDS)).toBe(0);
    expect(recentWith(recent, 0, NOW + 2 * DAY, NOW + 2 * DAY)).toBeUndefined();
  });

  it('does not count what happened longer ago, and what claims to come from the future counts as now', () => {
    expect(recentWith(undefined, 2, NOW - 2 * DAY, NOW)).toBeUndefined();
    expect(sumWithinADay(recentWith(undefined, 2, NOW + 9 * DAY, NOW), NOW)).toBe(2);
  });

  it('is the sum of what came, to a quarter of an hour, in whatever order it is told', () => {
    const arrival = fc.record({ late: fc.integer({ min: 0, max: 2 * DAY }), count: fc.integer({ min: 0, max: 5 }) });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 60 }), fc.integer({ min: 0, max: 3_600 }), (arrivals, step) => {
        let known: Quarters | undefined;
        const told: { at: number; count: number }[] = [];
        let now = NOW;
        for (const { count, late } of arrivals) {
          now += step;
          known = recentWith(known, count, now - late, now);
          told.push({ at: now - late, count });
        }
        const sum = (after: number) => told.reduce((total, { at, count }) => total + (at >= after ? count : 0), 0);
        const found = sumWithinADay(known, now);
        expect(found).toBeGreaterThanOrEqual(sum(now - DAY));
        expect(found).toBeLessThanOrEqual(sum(now - DAY - QUARTER_SECONDS));
        expect(known?.length ?? 0).toBeLessThanOrEqual(2 * 97);
      }),
    );
  });
});
