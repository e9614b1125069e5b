import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeFacts, encodeFacts, type Facts, newWithinADay, QUARTER_SECONDS, recentWith } from './facts.js';

const DAY = 86_400;
const NOW = 1_770_000_000;
const facts = (recent?: readonly number[]): Facts => ({ count: 3, open: new Map(), severity: undefined, recent });

describe('what was new within a day', () => {
  it('is kept with the facts', () => {
    const recent = recentWith(undefined, 2, NOW, NOW);
    expect(decodeFacts(encodeFacts(facts(recent)))).toEqual(facts(recent));
    expect(newWithinADay(recent ?? [], NOW)).toBe(2);
  });

  it('is forgotten after a day', () => {
    const recent = recentWith(undefined, 2, NOW, NOW);
    expect(newWithinADay(recent ?? [], NOW + DAY + QUARTER_SECONDS)).toBe(0);
    expect(recentWith(facts(recent), 0, NOW + 2 * DAY, NOW + 2 * DAY)).toBeUndefined();
  });

  it('does not count what happened longer ago, and what claims to come from the future counts as now', () => {
    expect(recentWith(undefined, 2, NOW - 2 * DAY, NOW)).toBeUndefined();
    expect(newWithinADay(recentWith(undefined, 2, NOW + 9 * DAY, NOW) ?? [], NOW)).toBe(2);
  });

  it('is the sum of what came, to a quarter of an hour, in whatever order it is told', () => {
    const arrival = fc.record({ late: fc.integer({ min: 0, max: 2 * DAY }), count: fc.integer({ min: 0, max: 5 }) });
    fc.assert(
      fc.property(fc.array(arrival, { maxLength: 60 }), fc.integer({ min: 0, max: 3_600 }), (arrivals, step) => {
        let known: Facts | undefined;
        const told: { at: number; count: number }[] = [];
        let now = NOW;
        for (const { count, late } of arrivals) {
          now += step;
          known = facts(recentWith(known, count, now - late, now));
          told.push({ at: now - late, count });
        }
        const sum = (after: number) => told.reduce((total, { at, count }) => total + (at >= after ? count : 0), 0);
        const found = newWithinADay(known?.recent ?? [], now);
        expect(found).toBeGreaterThanOrEqual(sum(now - DAY));
        expect(found).toBeLessThanOrEqual(sum(now - DAY - QUARTER_SECONDS));
        expect(known?.recent?.length ?? 0).toBeLessThanOrEqual(2 * 97);
      }),
    );
  });
});
