/** Counting latencies by size loses none of what is said about them: not the order, not the largest. */
import { describe, expect, it } from 'vitest';
import { createLatencies } from './latencies.ts';

function flushed(added: readonly number[], oneIn?: number): number[] {
  const latencies = createLatencies(oneIn);
  for (const ms of added) latencies.add(ms);
  const out: number[] = [];
  latencies.flush((ms) => out.push(ms));
  return out;
}

describe('latencies', () => {
  it('come out as they went in, to a tenth of a millisecond, smallest first', () => {
    expect(flushed([3, 1.26, 1.26, 900])).toEqual([1.3, 1.3, 3, 900]);
  });

  it('come out once', () => {
    const latencies = createLatencies();
    latencies.add(1);
    const out: number[] = [];
    for (let n = 0; n < 2; n++) latencies.flush((ms) => out.push(ms));
    expect(out).toEqual([1]);
  });

  it('thinned keep each share of theirs, and the largest', () => {
    const added = [...Array.from({ length: 1_000 }, (_, n) => (n < 990 ? 5 : 80)), 300];
    const out = flushed(added, 10);
    expect(out.filter((ms) => ms === 5)).toHaveLength(99);
    expect(out.filter((ms) => ms === 80)).toHaveLength(1);
    expect(out.at(-1)).toBe(300);
  });

  it('thinned to few are not lost from one flush to the next', () => {
    const latencies = createLatencies(10);
    let out = 0;
    for (let n = 0; n < 20; n++) {
      for (let m = 0; m < 5; m++) latencies.add(m === 4 ? 2 : 1);
      latencies.flush(() => out++);
    }
    // One in ten of a hundred, and the largest of those ten times that it was not among them.
    expect(out).toBe(20);
  });
});
