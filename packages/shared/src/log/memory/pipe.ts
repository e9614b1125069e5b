/** One direction of a connection: everything arrives, late, in order. */
import type { Clock } from '../../service/clock.js';

export interface Pipe {
  /** Runs `run` at the other end, behind everything that was put before. */
  put(run: () => void): void;
  /** What is on its way never arrives. */
  drop(): void;
}

/** @param delayMs drawn for each thing put in; what would overtake waits */
export function createPipe(clock: Clock, delayMs: () => number): Pipe {
  let queue: { readonly at: number; readonly run: () => void }[] = [];
  let running = false;

  function next(): void {
    const [first] = queue;
    running = first !== undefined;
    if (!first) return;
    clock.after(first.at - clock.now(), () => {
      if (queue[0] === first) {
        queue.shift();
        first.run();
      }
      next();
    });
  }

  return {
    put(run) {
      queue.push({ at: Math.max(clock.now() + delayMs(), queue.at(-1)?.at ?? 0), run });
      if (!running) next();
    },
    drop() {
      queue = [];
    },
  };
}
