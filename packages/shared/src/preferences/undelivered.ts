/**
 * Alerts that were given up, kept for the user whom they did not reach: written by publishers, read by gateways. The way is
 * named and why, never the address, which may hold a secret.
 */
import { z } from 'zod';
import { type Connection, execAll } from '../log/index.js';
import { type Clock, readStored, systemClock } from '../service/index.js';
import { WAYS } from './preferences.js';

/** Why nothing more is tried; `failed`: every attempt did, or there was none because the publishers died. */
export const UNDELIVERED_REASONS = ['failed', 'refused', 'not_allowed', 'not_set_up'] as const;
export type UndeliveredReason = (typeof UNDELIVERED_REASONS)[number];

const undelivered = z.object({
  delivery_id: z.string(),
  rule: z.string(),
  way: z.enum(WAYS),
  reason: z.enum(UNDELIVERED_REASONS),
  /** Seconds since 1970 at which it was given up. */
  timestamp: z.number(),
  /** Of a digest, the first ones. */
  events: z.array(z.object({ property_id: z.string(), message: z.string() })).min(1),
  /** How many events there were beside these. */
  more: z.number(),
});
export type Undelivered = z.infer<typeof undelivered>;

export interface UndeliveredStore {
  /** One that is known by its id takes the place of the earlier one. */
  add(userId: string, undelivered: Undelivered): Promise<void>;
  /** It was sent again since, and taken. */
  remove(userId: string, deliveryId: string): Promise<void>;
  /** Newest first. */
  read(userId: string): Promise<readonly Undelivered[]>;
}

/** As long as the failed jobs themselves. */
const KEEP_SECONDS = 7 * 86_400;
/** Of a user: whose receiver is gone for good has one for each event. An entry takes some 2 kB at most. */
export const MAX_UNDELIVERED = 50;
export const MAX_UNDELIVERED_EVENTS = 5;

export function createUndeliveredStore(options: {
  readonly connection: Connection;
  readonly prefix: string;
  readonly clock?: Pick<Clock, 'now'>;
}): UndeliveredStore {
  const { clock = systemClock, connection } = options;
  const keyOf = (userId: string): string => `${options.prefix}:{alerts}:undelivered:${userId}`;

  async function all(userId: string): Promise<{ readonly field: string; readonly value: Undelivered | undefined }[]> {
    const fields = Object.entries(await connection.hgetall(keyOf(userId)));
    return fields
      .map(([field, text]) => ({ field, value: readStored<Undelivered>(text, 'undelivered', isUndelivered) }))
      .sort((a, b) => (b.value?.timestamp ?? 0) - (a.value?.timestamp ?? 0));
  }

  return {
    async add(userId, one) {
      const key = keyOf(userId);
      await execAll(connection.multi().hset(key, one.delivery_id, JSON.stringify(one)).expire(key, KEEP_SECONDS));
      if ((await connection.hlen(key)) <= MAX_UNDELIVERED) return;
      const old = (await all(userId)).slice(MAX_UNDELIVERED);
      if (old.length > 0) await connection.hdel(key, ...old.map(({ field }) => field));
    },
    async remove(userId, deliveryId) {
      await connection.hdel(keyOf(userId), deliveryId);
    },
    async read(userId) {
      const since = clock.now() / 1_000 - KEEP_SECONDS;
      return (await all(userId)).flatMap(({ value }) => (value && value.timestamp > since ? value : []));
    },
  };
}

const isUndelivered = (value: unknown): boolean => undelivered.safeParse(value).success;
