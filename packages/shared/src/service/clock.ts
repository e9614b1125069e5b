/** Time as a part that can be given: tests and simulations hold it still, processes take `systemClock`. */

export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Runs `run` once after `ms`; returns its disposer. The timer does not keep the process alive. */
  after(ms: number, run: () => void): () => void;
  /** Runs `run` every `ms`; returns its disposer. The timer does not keep the process alive. */
  every(ms: number, run: () => void): () => void;
}

export const systemClock: Clock = {
  now: Date.now,
  after: (ms, run) => {
    const timer = setTimeout(run, ms);
    timer.unref();
    return () => clearTimeout(timer);
  },
  every: (ms, run) => {
    const timer = setInterval(run, ms);
    timer.unref();
    return () => clearInterval(timer);
  },
};
