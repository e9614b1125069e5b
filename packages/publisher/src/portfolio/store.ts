/**
 * Portfolios in Redis: which properties a user looks after, and for each property who does. The second is written before
 * the first and cleared after it, so that whatever dies in between, a property never misses a holder; it may have one too
 * many, for whom nothing changes when it is counted.
 */
import type { Connection } from '@belfry/shared/log';
import { type Clock, readStored } from '@belfry/shared/service';
import { takeLease } from '../leases/lease.js';
import type { WatchList } from '../sources/watch-list.js';
import type { PortfolioKeys } from './keys.js';
import { piped } from './piped.js';

export interface Portfolio {
  readonly properties: readonly string[];
  /** Seconds since 1970. */
  readonly updated_at: number;
}

export interface PortfolioStore {
  /** Undefined where the user never wrote one. */
  read(userId: string): Promise<Portfolio | undefined>;
  /** Replaces a portfolio, and has its properties watched. @throws PortfolioBusy while another call writes the same one */
  write(userId: string, properties: readonly string[]): Promise<Portfolio>;
  /** Who has one of these properties, and which of them. */
  holdersOf(properties: readonly string[]): Promise<ReadonlyMap<string, readonly string[]>>;
}

/** Somebody else is writing the same portfolio. */
export class PortfolioBusy extends Error {}

export interface PortfolioStoreOptions {
  readonly connection: Connection;
  readonly keys: PortfolioKeys;
  readonly watchList: Pick<WatchList, 'add' | 'remove'>;
  readonly clock: Clock;
}

/** Who reads of it later than this looks at everybody anew anyway. */
const MAX_WRITTEN = 10_000;

export function createPortfolioStore({ clock, connection, keys, watchList }: PortfolioStoreOptions): PortfolioStore {
  async function read(userId: string): Promise<Portfolio | undefined> {
    return readStored<Portfolio>(await connection.get(keys.of(userId)), 'portfolio', isPortfolio);
  }

  /** Properties that nobody holds any more are not watched any more, on account of portfolios. */
  async function unwatch(properties: readonly string[]): Promise<void> {
    const held = await piped(connection, properties, (pipeline, property) => pipeline.scard(keys.holders(property)));
    const free = properties.filter((_, n) => held[n] === 0);
    await watchList.remove(free, 'portfolio');
    // Somebody may have taken one over meanwhile: who adds a property says so here before having it watched.
    const again = await piped(connection, free, (pipeline, property) => pipeline.scard(keys.holders(property)));
    await watchList.add(
      free.filter((_, n) => again[n] !== 0),
      'portfolio',
    );
  }

  async function replace(userId: string, properties: readonly string[]): Promise<Portfolio> {
    const before = new Set((await read(userId))?.properties);
    const wanted = new Set(properties);
    const portfolio: Portfolio = { properties: [...wanted], updated_at: clock.now() / 1_000 };
    // All of them, also those that were there: an index that lost some is whole again.
    await piped(connection, portfolio.properties, (pipeline, property) =>
      pipeline.sadd(keys.holders(property), userId),
    );
    await watchList.add(portfolio.properties, 'portfolio');
    await connection.set(keys.of(userId), JSON.stringify(portfolio));
    const gone = [...before].filter((property) => !wanted.has(property));
    await piped(connection, gone, (pipeline, property) => pipeline.srem(keys.holders(property), userId));
    await unwatch(gone);
    await connection.xadd(keys.written, 'MAXLEN', '~', MAX_WRITTEN, '*', 'user', userId);
    return portfolio;
  }

  return {
    read,
    async write(userId, properties) {
      const lease = await takeLease(connection, keys.lock(userId));
      if (!lease) throw new PortfolioBusy('this portfolio is being written at the moment');
      try {
        return await replace(userId, properties);
      } finally {
        await lease.release();
      }
    },
    async holdersOf(properties) {
      const found = new Map<string, string[]>();
      const sets = await piped(connection, properties, (pipeline, property) =>
        pipeline.smembers(keys.holders(property)),
      );
      sets.forEach((users, n) => {
        for (const user of users as string[]) {
          const held = found.get(user);
          if (held) held.push(properties[n] as string);
          else found.set(user, [properties[n] as string]);
        }
      });
      return found;
    },
  };
}

const isPortfolio = ({ properties, updated_at }: Partial<Portfolio>): boolean =>
  Array.isArray(properties) && properties.every((each) => typeof each === 'string') && typeof updated_at === 'number';
