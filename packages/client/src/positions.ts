/** The last handled position of each channel, kept across reloads where the application gives us somewhere to keep it. */
import type { ClientOptions } from './api.js';
import { type Clock, createTimer } from './clock.js';
import { type Report, wrap } from './errors.js';

/**
 * Writing per event would cost a disk access each. A channel's first position is written at once: without any, what
 * happens before the next visit would be missed in silence. What a crash within this time loses later is only that so
 * many events are handed over again.
 */
const WRITE_MS = 1_000;
const PREFIX = 'belfry:';

export interface Positions {
  load(channel: string): string | undefined;
  save(channel: string, id: string): void;
  /** Writes what is not written yet: the page may be gone in a moment. */
  flush(): void;
}

export function createPositions(storage: ClientOptions['storage'], clock: Clock, report: Report): Positions {
  const unwritten = new Map<string, string>();
  const begun = new Set<string>();
  const timer = createTimer(clock);

  const fail = (cause: unknown): void => report(wrap('storage', cause));

  /** Storage can be full, forbidden or gone: then positions live as long as the page. @returns what it threw */
  const write = (channel: string, id: string): unknown => {
    try {
      storage?.setItem(PREFIX + channel, id);
      unwritten.delete(channel);
    } catch (cause) {
      return cause;
    }
    return undefined;
  };

  const flush = (): void => {
    timer.stop();
    let failed: unknown;
    for (const [channel, id] of unwritten) failed = write(channel, id) ?? failed;
    if (failed) fail(failed);
  };

  return {
    load: (channel) => {
      try {
        return unwritten.get(channel) ?? storage?.getItem(PREFIX + channel) ?? undefined;
      } catch (cause) {
        return void fail(cause);
      }
    },
    save: (channel, id) => {
      if (!storage) return;
      unwritten.set(channel, id);
      if (!timer.running) timer.start(WRITE_MS, flush);
      // What fails now is reported by the flush, with all that fails then.
      if (begun.size < begun.add(channel).size) write(channel, id);
    },
    flush,
  };
}
