import { expect, it } from 'vitest';
import { Histogram } from './histogram.js';

it('knows percentiles to one per cent, also of what several processes measured', () => {
  const one = new Histogram();
  const other = new Histogram();
  for (let ms = 1; ms <= 1_000; ms += 1) (ms % 2 ? one : other).record(ms * 1_000);
  one.add(other.counts);
  expect(one.total).toBe(1_000);
  for (const [share, ms] of [
    [0.5, 500],
    [0.99, 990],
  ] as const) {
    expect(Math.abs(one.percentile(share) - ms) / ms).toBeLessThan(0.015);
  }
  one.clear();
  expect(one.percentile(0.5)).toBeNaN();
});
