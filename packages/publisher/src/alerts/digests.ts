/** Digests: alerts that are collected per user and way, and sent as one every hour or day. */
import { createHash } from 'node:crypto';
import type { Connection } from '@belfry/shared/log';
import { comparePositions, type Position, parsePosition } from '@belfry/shared/protocol';
import { readStored } from '@belfry/shared/service';
import type { Delivery } from './delivery.js';

export const DIGESTS = { hourly: 3_600_000, daily: 86_400_000 } as const;
export type Digest = keyof typeof DIGESTS;

export interface Digests {
  /** Puts an alert aside; one that was put aside before changes nothing, also where it has been sent since. */
  collect(delivery: Delivery, digest: Digest): Promise<void>;
  /**
   * Queues what was collected, to be sent once quiet hours are over; where they last until the next digest, it goes into that
   * one. A crash in between sends it again under the same id.
   */
  flush(digest: Digest): Promise<void>;
}

export interface DigestsOptions {
  readonly connection: Connection;
  readonly prefix: string;
  readonly queue: (delivery: Delivery, delayMs: number) => Promise<void>;
  /** Milliseconds until the end of quiet hours, the longest of the user's rules for such digests; 0 outside of them. */
  readonly quietMs: (user: string, way: string, digest: Digest) => Promise<number>;
}

/** A message of more lines is not read; of more there are several. */
const MAX_EVENTS = 500;
/** In one step: an alert that is put aside in between would wait for the next one of its user. */
const FORGET_IF_EMPTY =
  "#!lua\nif redis.call('EXISTS', KEYS[2], KEYS[3]) == 0 then redis.call('SREM', KEYS[1], ARGV[1]) end";

/** In one step: whoever dies behind it has the alert matched again, and by then it may have been sent. */
const COLLECT = `#!lua
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then return end
redis.call('ZADD', KEYS[1], redis.call('TIME')[1], ARGV[1])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[2]))
redis.call('EXPIRE', KEYS[1], ARGV[3])
redis.call('HSET', KEYS[2], ARGV[1], ARGV[4])
redis.call('SADD', KEYS[3], ARGV[5])`;
/** Ids that are known after they were sent: the matcher repeats one event, which may be for that many users. */
const KNOWN_IDS = 50_000;
const KNOWN_SECONDS = 7 * 86_400;

export function createDigests(options: DigestsOptions): Digests {
  const { connection, queue } = options;
  const base = `${options.prefix}:{alerts}:digest`;
  const known = `${base}:known`;
  const waiting = (digest: Digest): string => `${base}s:${digest}`;
  const collected = (digest: Digest, member: string): string => `${base}:${digest}:${member}`;
  /** What is being sent. Nothing is added to it any more: sent again, it is the same under the same id. */
  const sealed = (digest: Digest, member: string): string => `${base}:${digest}:sealed:${member}`;

  async function flushOne(digest: Digest, member: string): Promise<void> {
    // What an earlier attempt has left comes first.
    await send(digest, member);
    if ((await quietMs(digest, member)) >= DIGESTS[digest]) return;
    if ((await connection.exists(collected(digest, member))) === 1) {
      await connection.renamenx(collected(digest, member), sealed(digest, member));
      await send(digest, member);
    }
    await connection.eval(
      FORGET_IF_EMPTY,
      3,
      waiting(digest),
      collected(digest, member),
      sealed(digest, member),
      member,
    );
  }

  function quietMs(digest: Digest, member: string): Promise<number> {
    const end = member.lastIndexOf('_');
    return options.quietMs(member.slice(0, end), member.slice(end + 1), digest);
  }

  async function send(digest: Digest, member: string): Promise<void> {
    const key = sealed(digest, member);
    const entries = await connection.hgetall(key);
    const deliveries = Object.values(entries)
      .flatMap((text) => readStored<Delivery>(text, 'digest', isDelivery) ?? [])
      .sort(inOrder);
    const [first] = deliveries;
    if (!first) {
      // Nothing but what somebody else wrote: left there it would be looked at for ever.
      if (Object.keys(entries).length > 0) await connection.hdel(key, ...Object.keys(entries));
      return;
    }
    const mark = markOf(deliveries);
    const delayMs = await quietMs(digest, member);
    const events = deliveries.flatMap((delivery) => delivery.events);
    for (let start = 0; start < events.length; start += MAX_EVENTS) {
      const part = events.slice(start, start + MAX_EVENTS);
      await queue({ ...first, id: `${digest}_${member}_${mark}_${start / MAX_EVENTS}`, events: part }, delayMs);
    }
    // Not the whole key: were two publishers at it, it might hold what the other one has sealed since.
    await connection.hdel(key, ...Object.keys(entries));
  }

  return {
    async collect(delivery, digest) {
      const member = `${delivery.user}_${delivery.way}`;
      await connection.eval(
        COLLECT,
        3,
        known,
        collected(digest, member),
        waiting(digest),
        delivery.id,
        KNOWN_IDS,
        KNOWN_SECONDS,
        JSON.stringify(delivery),
        member,
      );
    },
    async flush(digest) {
      const failures: unknown[] = [];
      for (const member of await connection.smembers(waiting(digest))) {
        // One user's trouble is not to be that of the others.
        await flushOne(digest, member).catch((error: unknown) => failures.push(error));
      }
      if (failures.length > 0) throw failures[0];
    },
  };
}

const positionOf = ({ events: [first] }: Delivery): Position | undefined => first && parsePosition(first.id);

function inOrder(a: Delivery, b: Delivery): number {
  const [first, second] = [positionOf(a), positionOf(b)];
  return first && second ? comparePositions(first, second) : 0;
}

/** The same for the same alerts, and for no others: an id under which something else was sent would keep it back. */
const markOf = (deliveries: readonly Delivery[]): string =>
  createHash('sha256')
    .update(deliveries.map(({ id }) => id).join('\n'))
    .digest('base64url')
    .slice(0, 16);

const isDelivery = ({ events, id, rule, user, way }: Partial<Delivery>): boolean =>
  [id, rule, user, way].every((each) => typeof each === 'string') &&
  Array.isArray(events) &&
  events.every((event: unknown) => typeof event === 'object' && event !== null);
