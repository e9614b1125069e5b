import { describe, expect, it } from 'vitest';
import { backoff } from './backoff.js';

const advice = { first_ms: 4_000, max_ms: 20_000 };
const least = () => 0;
const most = () => 0.999999;

describe('the wait before the next attempt', () => {
  it('is spread over the window that the gateway advises, the first time', () => {
    expect(backoff(0, advice, least)).toBe(0);
    expect(backoff(0, advice, most)).toBeCloseTo(4_000, 0);
  });

  it('is spread over twice as much each time after that, up to the advised maximum', () => {
    const longest = [1, 2, 3, 4, 5, 6].map((failures) => Math.round(backoff(failures, advice, most)));
    expect(longest).toEqual([2_000, 4_000, 8_000, 16_000, 20_000, 20_000]);
    expect(backoff(5, advice, least)).toBe(0);
  });

  it('stays finite however often it failed', () => {
    expect(backoff(5_000, advice, most)).toBeLessThanOrEqual(20_000);
  });

  it('is never shorter than what the server asked for, and spread behind it', () => {
    expect(backoff(0, advice, least, 7_000)).toBe(7_000);
    expect(backoff(0, advice, most, 7_000)).toBeCloseTo(8_000, 0);
    expect(backoff(3, advice, least, 7_000)).toBe(7_000);
    expect(backoff(9, advice, most, 7_000)).toBeCloseTo(27_000, 0);
  });

  it.each([undefined, null, 'soon', {}, { first_ms: 'x', max_ms: -1 }, { first_ms: Number.NaN, max_ms: null }])(
    'is the default’s where the advice is %j',
    (nonsense) => {
      expect(backoff(0, nonsense as never, most)).toBeCloseTo(5_000, 0);
      expect(backoff(9, nonsense as never, most)).toBeCloseTo(30_000, 0);
    },
  );

  it('is neither nothing nor for ever, whatever delay a server asks for', () => {
    expect(backoff(2, advice, most, 'x' as never)).toBeCloseTo(4_000, 0);
    expect(backoff(2, advice, most, -5)).toBeCloseTo(4_000, 0);
    expect(backoff(0, advice, least, Number.POSITIVE_INFINITY)).toBe(600_000);
    expect(backoff(0, { first_ms: 1e300, max_ms: 1e300 }, most)).toBeLessThanOrEqual(600_000);
  });

  it('spreads 10,000 clients that lose a gateway at once: no 100 ms get more than a fortieth of them', () => {
    let seed = 1;
    const random = () => {
      seed = (seed * 1_103_515_245 + 12_345) % 2 ** 31;
      return seed / 2 ** 31;
    };
    const bins = new Map<number, number>();
    for (let client = 0; client < 10_000; client++) {
      const bin = Math.floor(backoff(0, { first_ms: 5_000, max_ms: 30_000 }, random) / 100);
      bins.set(bin, (bins.get(bin) ?? 0) + 1);
    }
    expect(Math.max(...bins.values())).toBeLessThan(300);
  });
});
