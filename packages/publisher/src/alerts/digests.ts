/** Digests: alerts that are collected per user and way, and sent as one every hour or day. */
import type { Connection } from '@belfry/shared/log';
import { execAll } from '@belfry/shared/preferences';
import type { Clock } from '@belfry/shared/service';
import type { Delivery } from './delivery.js';

export const DIGESTS = { hourly: 3_600_000, daily: 86_400_000 } as const;
export type Digest = keyof typeof DIGESTS;

export interface Digests {
  /** Puts an alert aside; one that was put aside before changes nothing. */
  collect(delivery: Delivery, digest: Digest): Promise<void>;
  /** Queues what was collected. A crash in between sends it again under the same id. */
  flush(digest: Digest): Promise<void>;
}

export interface DigestsOptions {
  readonly connection: Connection;
  readonly prefix: string;
  readonly clock: Clock;
  readonly queue: (delivery: Delivery, delayMs: number) => Promise<void>;
}

/** An e-mail of more lines is not read; the rest is counted in its last line by whoever shows it. */
const MAX_EVENTS = 500;

export function createDigests(options: DigestsOptions): Digests {
  const { clock, connection, queue } = options;
  const base = `${options.prefix}:{alerts}:digest`;
  const waiting = (digest: Digest): string => `${base}s:${digest}`;
  const collected = (digest: Digest, member: string): string => `${base}:${digest}:${member}`;

  async function flushOne(digest: Digest, member: string): Promise<void> {
    const key = collected(digest, member);
    const entries = Object.entries(await connection.hgetall(key)).sort(([a], [b]) => (a < b ? -1 : 1));
    const deliveries = entries.map(([, text]) => JSON.parse(text) as Delivery);
    const [first] = deliveries;
    if (first) {
      const bucket = Math.floor(clock.now() / DIGESTS[digest]);
      const events = deliveries.flatMap((delivery) => delivery.events).slice(-MAX_EVENTS);
      await queue({ ...first, id: `${digest}_${member}_${bucket}`, events }, 0);
      await connection.hdel(key, ...entries.map(([id]) => id));
    }
    if ((await connection.hlen(key)) === 0) await connection.srem(waiting(digest), member);
  }

  return {
    async collect(delivery, digest) {
      const member = `${delivery.user}_${delivery.way}`;
      await execAll(
        connection
          .multi()
          .hset(collected(digest, member), delivery.id, JSON.stringify(delivery))
          .sadd(waiting(digest), member),
      );
    },
    async flush(digest) {
      for (const member of await connection.smembers(waiting(digest))) await flushOne(digest, member);
    },
  };
}
