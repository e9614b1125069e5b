/** How long nothing has come from the gateway, and when that is longer than it is ever silent. */
import { type Clock, createTimer, type Disposer } from './clock.js';

/** On top of the gateway's heartbeat interval. */
const GRACE_MS = 10_000;
/** What a gateway can be configured to; more would be a mistake. */
const LONGEST_HEARTBEAT_MS = 300_000;
/** A frame this young is sign of life enough. */
const FRESH_MS = 1_000;

export interface Silence {
  /** Something came. */
  heard(): void;
  /** As WELCOME tells it; without one, what the application set counts. */
  heartbeat(seconds: number): void;
  /** Whether the last frame is so old that the connection may be doubted. */
  readonly doubtful: boolean;
  /** Runs `found` once nothing has come for as long as the gateway is never silent. */
  watch(found: () => void): Disposer;
}

export function createSilence(clock: Clock, longestMs = 40_000): Silence {
  let last = 0;
  return {
    heard: () => {
      last = clock.now();
    },
    heartbeat: (seconds) => {
      if (seconds > 0) longestMs = Math.min(seconds * 1000, LONGEST_HEARTBEAT_MS) + GRACE_MS;
    },
    get doubtful() {
      return clock.now() - last > FRESH_MS;
    },
    watch: (found) => {
      const timer = createTimer(clock);
      const check = (): void => {
        // Timers of hidden pages and sleeping machines are late: what counts is the clock.
        let left = last + longestMs - clock.now();
        // It was set back: how long ago the last frame came is not known any more.
        if (left > longestMs) left = 0;
        timer.start(left, left > 0 ? check : found);
      };
      check();
      return timer.stop;
    },
  };
}
