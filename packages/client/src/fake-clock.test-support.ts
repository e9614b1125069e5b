/** Time that stands still until a test moves it, in which promises settle between two timers. */
import type { Clock, Disposer } from './clock.js';

export interface FakeClock extends Clock {
  /** Runs every timer that falls due within `ms`, in order, with the clock at its time. */
  advance(ms: number): Promise<void>;
  /** Runs timers one by one until it is so; fails where that takes longer than `limitMs`. */
  until(isSo: () => boolean, limitMs?: number): Promise<void>;
  /** Sets the clock to another time, as people and time servers do; timers stay as far away as they were. */
  set(time: number): void;
  /** When the timers that wait are due, from now. */
  readonly waiting: readonly number[];
}

/** Promises that are settled, and what they set off, get their turn. */
export async function settled(): Promise<void> {
  await new Promise<void>((resolve) => setImmediate(resolve));
}

export function createFakeClock(start = 1_700_000_000_000): FakeClock {
  let now = start;
  let timers: { due: number; readonly run: () => void }[] = [];

  /** Runs the next timer if it is due by `end`. */
  async function step(end: number): Promise<boolean> {
    await settled();
    const [next] = timers.filter(({ due }) => due <= end).sort((a, b) => a.due - b.due);
    if (!next) return false;
    timers = timers.filter((other) => other !== next);
    now = next.due;
    next.run();
    await settled();
    return true;
  }

  return {
    now: () => now,
    after: (ms, run): Disposer => {
      const timer = { due: now + Math.max(0, ms), run };
      timers.push(timer);
      return () => {
        timers = timers.filter((other) => other !== timer);
      };
    },
    async advance(ms) {
      const end = now + ms;
      while (await step(end));
      now = end;
    },
    async until(isSo, limitMs = 120_000) {
      const end = now + limitMs;
      await settled();
      while (!isSo()) if (!(await step(end))) throw new Error(`not so within ${limitMs} ms`);
    },
    set: (time) => {
      for (const timer of timers) timer.due += time - now;
      now = time;
    },
    get waiting() {
      return timers.map(({ due }) => due - now).sort((a, b) => a - b);
    },
  };
}
