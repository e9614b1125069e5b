/** Keeps the watch list up to date: adds what somebody subscribes to, and tells when there are new properties to read. */
import type { Connection } from '@belfry/shared/log';
import type { Clock, Logger } from '@belfry/shared/service';
import { isBbl } from './nyc/bbl.js';
import { subscribedProperties } from './subscribed.js';
import type { WatchList } from './watch-list.js';

/** A dashboard that is closed for the weekend is no reason to forget its properties. */
export const SUBSCRIBED_MS = 7 * 86_400_000;
/** How soon a new property is noticed. Redis takes about 0.1 ms for a thousand topics to list them. */
const SWEEP_EVERY_MS = 1_000;
/** How often a property that goes on being subscribed to is prolonged. */
const PROLONG_EVERY_MS = 3_600_000;

export interface Watching {
  /** Sweeps now; resolves when new properties were told of. */
  sweep(): Promise<void>;
  close(): Promise<void>;
}

export interface WatchingOptions {
  readonly redis: Connection;
  readonly prefix: string;
  readonly watchList: WatchList;
  /** Watched whoever subscribes, also where Redis has forgotten them. */
  readonly configured: readonly string[];
  /** Above this, subscriptions add nothing: clients name properties, and each costs questions to the city. */
  readonly maxProperties: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onAdded: () => Promise<void>;
  readonly onSize: (properties: number) => void;
}

export function startWatching(options: WatchingOptions): Watching {
  const { redis, prefix, watchList, maxProperties, clock, logger } = options;
  const prolongedAt = new Map<string, number>();
  let size = 0;
  let full = false;
  let sweeping: Promise<void> | undefined;

  async function addSubscribed(): Promise<void> {
    const now = clock.now();
    for (const [bbl, at] of prolongedAt) if (now - at >= PROLONG_EVERY_MS) prolongedAt.delete(bbl);
    const wanted = (await subscribedProperties(redis, prefix)).filter((bbl) => isBbl(bbl) && !prolongedAt.has(bbl));
    if (wanted.length === 0) return;
    const known = await watchList.properties();
    const fresh = wanted.filter((bbl) => !known.has(bbl));
    const admitted = fresh.slice(0, Math.max(0, maxProperties - size));
    if (admitted.length < fresh.length && !full) logger.warn({ maxProperties }, 'the watch list is full');
    full = admitted.length < fresh.length;
    const kept = [...wanted.filter((bbl) => known.has(bbl)), ...admitted];
    await watchList.add(kept, 'subscribed', now + SUBSCRIBED_MS);
    for (const bbl of kept) prolongedAt.set(bbl, now);
  }

  async function sweep(): Promise<void> {
    try {
      await watchList.restore(options.configured, 'configured');
      await addSubscribed();
      const { added, watched } = await watchList.sweep();
      size = watched.size;
      options.onSize(size);
      // Redis has forgotten them: they are added again by the next sweep, not in an hour.
      for (const bbl of prolongedAt.keys()) if (!watched.has(bbl)) prolongedAt.delete(bbl);
      if (added.length > 0) await options.onAdded();
    } catch (error) {
      // Redis is away. What was announced and could not be told of is found by the next poll.
      logger.debug({ err: error }, 'watch list was not swept');
    }
  }

  const once = (): Promise<void> => {
    sweeping ??= sweep().finally(() => {
      sweeping = undefined;
    });
    return sweeping;
  };
  const stop = clock.every(SWEEP_EVERY_MS, () => void once());
  return {
    async sweep() {
      // One that runs already may have begun before what its caller added.
      await sweeping;
      await once();
    },
    async close() {
      stop();
      await sweeping;
    },
  };
}
