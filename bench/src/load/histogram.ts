/** Latencies as counts in buckets that are each 1 % wider than the last: percentiles to 1 %, and processes' can be added. */

export type HistogramCounts = readonly number[];

const GROWTH = Math.log(1.01);
/** 100 s in microseconds. */
const BUCKETS = Math.ceil(Math.log(1e8) / GROWTH);

export class Histogram {
  readonly #counts: number[] = new Array<number>(BUCKETS).fill(0);

  record(microseconds: number): void {
    const bucket = Math.min(BUCKETS - 1, Math.floor(Math.log(Math.max(1, microseconds)) / GROWTH));
    this.#counts[bucket] = (this.#counts[bucket] as number) + 1;
  }
  add(counts: HistogramCounts): void {
    for (const [bucket, count] of counts.entries()) this.#counts[bucket] = (this.#counts[bucket] as number) + count;
  }
  clear(): void {
    this.#counts.fill(0);
  }
  get counts(): HistogramCounts {
    return this.#counts;
  }
  get total(): number {
    return this.#counts.reduce((sum, count) => sum + count, 0);
  }
  /** Milliseconds below which `share` (0 to 1) of the samples are; NaN without samples. */
  percentile(share: number): number {
    let left = this.total * share;
    for (const [bucket, count] of this.#counts.entries()) {
      left -= count;
      if (left <= 0 && count > 0) return Math.exp((bucket + 1) * GROWTH) / 1000;
    }
    return Number.NaN;
  }
}
