/**
 * Counts a portfolio: adds up what each property brings, and asks only for those that it has no part of. Parts are kept in
 * Redis for five minutes, and dropped when their property has changed.
 */
import { type Connection, channelKeys } from '@belfry/shared/log';
import { propertyChannel } from '@belfry/shared/protocol';
import { type Clock, readStored } from '@belfry/shared/service';
import { type Kpis, type Part, partOf, sumOf } from './figures.js';
import type { PortfolioKeys } from './keys.js';
import { piped } from './piped.js';

/** How long a part counts at most. */
export const PARTS_MS = 300_000;
/** Of one command that names fields. */
const FIELDS_AT_ONCE = 500;

export interface Counter {
  /** From what is known, in `era`, of the properties. */
  count(userId: string, properties: readonly string[], era: string): Promise<Kpis>;
  /** The properties have changed: what was known of them is dropped. */
  forget(userId: string, properties: readonly string[], era: string): Promise<void>;
  /** From the properties themselves: for whoever cannot tell what has changed. */
  countAnew(properties: readonly string[]): Promise<Kpis>;
}

export function createCounter(options: {
  readonly connection: Connection;
  readonly prefix: string;
  readonly keys: PortfolioKeys;
  readonly clock: Clock;
}): Counter {
  const { clock, connection, keys, prefix } = options;

  async function read(properties: readonly string[]): Promise<Part[]> {
    const found = await piped(connection, properties, (pipeline, property) =>
      pipeline.hgetall(channelKeys(prefix, propertyChannel(property)).facts),
    );
    return found.map((facts) => partOf(facts as Record<string, string>));
  }

  async function known(key: string, properties: readonly string[]): Promise<(string | null)[]> {
    const texts: (string | null)[] = [];
    for (const part of slices(properties)) texts.push(...(await connection.hmget(key, ...part)));
    return texts;
  }

  return {
    async count(userId, properties, era) {
      const key = keys.parts(userId, era);
      const parts = (await known(key, properties)).map((text) => readStored<Part>(text, 'portfolio_part', isPart));
      const missing = properties.filter((_, n) => parts[n] === undefined);
      const made = await read(missing);
      for (const fields of slices(missing.flatMap((property, n) => [property, JSON.stringify(made[n])]))) {
        await connection.hset(key, ...fields);
      }
      // Not prolonged by later counts: whatever goes wrong, no part is older than that.
      if (missing.length > 0) await connection.pexpire(key, PARTS_MS, 'NX');
      let next = 0;
      return sumOf(
        parts.map((part) => part ?? (made[next++] as Part)),
        clock.now() / 1_000,
      );
    },
    async forget(userId, properties, era) {
      for (const part of slices(properties)) await connection.hdel(keys.parts(userId, era), ...part);
    },
    countAnew: async (properties) => sumOf(await read(properties), clock.now() / 1_000),
  };
}

const isPart = (part: Partial<Part>): boolean =>
  Array.isArray(part) &&
  part.every((each: unknown) => {
    if (!Array.isArray(each)) return false;
    const [type, open, critical, ...quarters] = each;
    return (
      typeof type === 'string' && areNumbers([open, critical]) && quarters.length === 2 && quarters.every(areNumbers)
    );
  });

const areNumbers = (list: unknown): boolean => Array.isArray(list) && list.every((each) => Number.isFinite(each));

function* slices(all: readonly string[]): Iterable<string[]> {
  for (let start = 0; start < all.length; start += FIELDS_AT_ONCE) yield all.slice(start, start + FIELDS_AT_ONCE);
}
