/**
 * The properties that are read at the city: those somebody subscribes to, those configured, those of portfolios. It lies
 * in Redis, one sorted set per reason with the time until which it holds, so that any service can add to it:
 *
 *     ZADD belfry:{watch}:subscribed GT <milliseconds since 1970 until which> <BBL>
 *
 * `sweep` finds what was added and what ran out; among all publishers, one announces each of them.
 */
import type { Connection } from '@belfry/shared/log';
import { isBbl } from './nyc/bbl.js';

const WATCH_REASONS = ['configured', 'subscribed', 'portfolio'] as const;
export type WatchReason = (typeof WATCH_REASONS)[number];

export interface WatchList {
  /** Adds properties, or prolongs them, until `untilMs` since 1970 (default: for ever). What is no BBL is left out. */
  add(properties: readonly string[], reason: WatchReason, untilMs?: number): Promise<void>;
  /** Takes one reason away; a property that has another one stays. */
  remove(properties: readonly string[], reason: WatchReason): Promise<void>;
  /** Makes `properties` the only ones of a reason, which hold for ever. */
  replace(properties: readonly string[], reason: WatchReason): Promise<void>;
  /** Adds them where the reason has none, as when Redis has forgotten everything; else it may be another's newer ones. */
  restore(properties: readonly string[], reason: WatchReason): Promise<void>;
  properties(): Promise<Set<string>>;
  /** Why a property is watched; empty when it is not. */
  reasons(property: string): Promise<WatchReason[]>;
  /** Drops what ran out and returns what was added since anybody's last sweep, each property to one caller only. */
  sweep(): Promise<{
    readonly added: readonly string[];
    readonly removed: readonly string[];
    readonly watched: ReadonlySet<string>;
  }>;
}

/** The last day that a date can hold: a score that reads back as a number, as +inf does not. */
const FOREVER_MS = 8_640_000_000_000_000;

export function createWatchList(redis: Connection, prefix: string, now: () => number): WatchList {
  const keyOf = (what: WatchReason | 'announced'): string => `${prefix}:{watch}:${what}`;
  const reasonKeys = WATCH_REASONS.map(keyOf);

  async function members(): Promise<Set<string>> {
    const sets = await Promise.all(reasonKeys.map((key) => redis.zrangebyscore(key, `(${now()}`, '+inf')));
    return new Set(sets.flat().filter(isBbl));
  }

  async function add(properties: readonly string[], reason: WatchReason, untilMs?: number): Promise<void> {
    const bbls = properties.filter(isBbl);
    if (bbls.length === 0) return;
    const until = String(untilMs ?? FOREVER_MS);
    await redis.zadd(keyOf(reason), 'GT', ...bbls.flatMap((bbl) => [until, bbl]));
  }

  /** One command per property, so that its reply says whether this caller was the first. */
  async function claim(command: 'sadd' | 'srem', bbls: readonly string[]): Promise<string[]> {
    if (bbls.length === 0) return [];
    const pipeline = redis.pipeline();
    for (const bbl of bbls) pipeline[command](keyOf('announced'), bbl);
    const replies = (await pipeline.exec()) ?? [];
    return bbls.filter((_bbl, index) => replies[index]?.[1] === 1);
  }

  return {
    add,
    async remove(properties, reason) {
      if (properties.length > 0) await redis.zrem(keyOf(reason), ...properties);
    },
    async replace(properties, reason) {
      const present = await redis.zrange(keyOf(reason), '0', '-1');
      const gone = present.filter((bbl) => !properties.includes(bbl));
      // First what is new: never none, which `restore` takes for a loss.
      await add(properties, reason);
      if (gone.length > 0) await redis.zrem(keyOf(reason), ...gone);
    },
    async restore(properties, reason) {
      if (properties.length > 0 && (await redis.zcard(keyOf(reason))) === 0) await add(properties, reason);
    },
    properties: members,
    async reasons(property) {
      const scores = await Promise.all(reasonKeys.map((key) => redis.zscore(key, property)));
      return WATCH_REASONS.filter((_reason, index) => Number(scores[index] ?? Number.NaN) > now());
    },
    async sweep() {
      for (const key of reasonKeys) await redis.zremrangebyscore(key, '-inf', now());
      const [watched, announced] = await Promise.all([members(), redis.smembers(keyOf('announced'))]);
      const known = new Set(announced);
      return {
        added: await claim(
          'sadd',
          [...watched].filter((bbl) => !known.has(bbl)),
        ),
        removed: await claim(
          'srem',
          announced.filter((bbl) => !watched.has(bbl)),
        ),
        watched,
      };
    },
  };
}
