/** Waiting times between attempts: full jitter below an exponential ceiling, so that many who fail at once spread out. */

export interface Backoff {
  /** The next waiting time in milliseconds. */
  next(): number;
  /** Starts over after a success. */
  reset(): void;
}

/**
 * @param firstMs ceiling of the first wait
 * @param maxMs ceiling of every later one
 * @param random 0 to 1, as Math.random
 */
export function createBackoff(firstMs: number, maxMs: number, random: () => number = Math.random): Backoff {
  let attempt = 0;
  return {
    next: () => {
      const ceiling = Math.min(maxMs, firstMs * 2 ** Math.min(attempt, 30));
      attempt += 1;
      // At least a fifth of the ceiling: a wait of nearly nothing would make a failing loop spin.
      return ceiling * (0.2 + 0.8 * random());
    },
    reset: () => {
      attempt = 0;
    },
  };
}
