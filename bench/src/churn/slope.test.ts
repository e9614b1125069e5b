import { expect, it } from 'vitest';
import { slopeOf } from './slope.js';

it('finds the slope under the noise', () => {
  const points = Array.from({ length: 100 }, (_, n): [number, number] => [n, 5 + 3 * n + (n % 2 ? 10 : -10)]);
  expect(slopeOf(points)).toBeCloseTo(3, 1);
  expect(slopeOf(points.map(([x]) => [x, 7]))).toBe(0);
});
