/**
 * The latencies that one thread of k6 saw, counted by size. Handing each of ten thousand a second to k6 costs more than
 * reading the event did, and k6 sorts all that it ever got whenever it looks at its thresholds.
 */

export interface Latencies {
  /** Milliseconds. */
  add(ms: number): void;
  /** Hands over what was added since the last time, smallest first. */
  flush(emit: (ms: number) => void): void;
}

/** Finer than any clock that two processes share. */
const PER_MS = 10;

/** @param oneIn of so many, in the order of their size, one is handed over; and the largest in any case. Default: all */
export function createLatencies(oneIn = 1): Latencies {
  let counts = new Map<number, number>();
  /** How many since the last one that was handed over. */
  let passed = 0;
  return {
    add(ms) {
      const size = Math.round(ms * PER_MS);
      counts.set(size, (counts.get(size) ?? 0) + 1);
    },
    flush(emit) {
      const sizes = [...counts.keys()].sort((a, b) => a - b);
      const largest = sizes.at(-1);
      let latest: number | undefined;
      for (const size of sizes) {
        passed += counts.get(size) ?? 0;
        for (; passed >= oneIn; passed -= oneIn) {
          latest = size;
          emit(size / PER_MS);
        }
      }
      if (largest !== undefined && latest !== largest) emit(largest / PER_MS);
      counts = new Map();
    },
  };
}
