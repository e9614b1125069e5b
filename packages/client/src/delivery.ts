/**
 * Hands one subscriber its events and snapshots, one after the other. A handler that returns a promise holds the next
 * one back; the position moves only after the handler ran, so that a crash in between repeats and never skips.
 */
import type { Disposer } from './clock.js';

export interface Delivery {
  /**
   * @param id the position reached when `run` is through; undefined where it does not move
   * @param first before everything that is held back
   */
  push(id: string | undefined, run: () => unknown, first?: boolean): void;
  /** Holds everything back until `release`. */
  hold(): void;
  release(): void;
  readonly end: Disposer;
}

/**
 * @param handled is told of each position after its handler ran, or failed: an event that makes a handler throw would
 * otherwise come back for ever
 */
export function createDelivery(handled: (id: string) => void, failed: (cause: unknown) => void): Delivery {
  let queue: { readonly id: string | undefined; readonly run: () => unknown }[] = [];
  let held = false;
  let busy = false;
  let ended = false;

  function pump(): void {
    while (!held && !busy) {
      const item = queue.shift();
      if (!item) return;
      // Busy while the handler runs: what it sets off comes after it, not inside it.
      busy = true;
      const done = (): void => {
        busy = false;
        if (item.id) handled(item.id);
      };
      try {
        const result = item.run() as PromiseLike<unknown> | undefined;
        if (result?.then) {
          Promise.resolve(result)
            .catch(failed)
            .then(() => {
              done();
              pump();
            });
          return;
        }
      } catch (cause) {
        failed(cause);
      }
      done();
    }
  }

  return {
    push: (id, run, first) => {
      queue[first ? 'unshift' : 'push']({ id, run });
      pump();
    },
    hold: () => {
      held = true;
    },
    release: () => {
      held = ended;
      pump();
    },
    end: () => {
      queue = [];
      held = ended = true;
    },
  };
}
