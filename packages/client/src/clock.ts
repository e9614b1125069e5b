/** Time, as an argument: tests hold it still. */

export type Disposer = () => void;

export interface Clock {
  /** Milliseconds; must go on counting while the machine sleeps, so that sleep is noticed. */
  now(): number;
  /** Runs once after `ms` milliseconds unless disposed before. */
  after(ms: number, run: () => void): Disposer;
}

/** Longer timers fire at once in every JavaScript engine. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

/** One timer at a time: starting it again replaces what it was started for. */
export interface Timer {
  readonly running: boolean;
  start(ms: number, run: () => void): void;
  stop(): void;
}

export function createTimer(clock: Clock): Timer {
  let cancel: Disposer | undefined;
  const stop = (): void => {
    cancel?.();
    cancel = undefined;
  };
  return {
    get running() {
      return !!cancel;
    },
    start: (ms, run) => {
      stop();
      cancel = clock.after(ms, () => {
        cancel = undefined;
        run();
      });
    },
    stop,
  };
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after: (ms, run) => {
    const timer = setTimeout(run, Math.min(ms, LONGEST_TIMER_MS));
    return () => clearTimeout(timer);
  },
};
