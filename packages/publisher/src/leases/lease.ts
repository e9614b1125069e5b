/**
 * A lease in Redis: at most one publisher does something at a time, such as polling a violation type, whose reports have
 * to reach the intake in the order in which they were read. Redis counts its time, so it runs on the real clock, also where a test's clock runs ahead.
 */
import { randomUUID } from 'node:crypto';
import type { Connection } from '@belfry/shared/log';
import { type Clock, systemClock } from '@belfry/shared/service';

const RENEW =
  "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 0";
const RELEASE = "if redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";

/** Long enough for a Redis failover, short enough that a dead publisher's work is soon taken over. */
const LEASE_MS = 30_000;
const RENEW_EVERY_MS = 10_000;

export class LeaseLost extends Error {}

export interface Lease {
  /** @throws LeaseLost when it could not be renewed in time, so that somebody else may hold it now */
  check(): void;
  release(): Promise<void>;
}

/** The lease called `key`; undefined while somebody else holds it. */
export async function takeLease(
  redis: Connection,
  key: string,
  clock: Clock = systemClock,
): Promise<Lease | undefined> {
  const token = randomUUID();
  let until = clock.now() + LEASE_MS;
  if ((await redis.set(key, token, 'PX', LEASE_MS, 'NX')) !== 'OK') return undefined;

  let renewing: Promise<void> | undefined;
  const renew = async (): Promise<void> => {
    const asked = clock.now();
    try {
      if ((await redis.eval(RENEW, 1, key, token, LEASE_MS)) === 1) until = asked + LEASE_MS;
      else until = 0;
    } catch {
      // Redis is away: the lease runs out by itself unless a later renewal succeeds.
    }
  };
  const stop = clock.every(RENEW_EVERY_MS, () => {
    renewing = renew();
  });

  return {
    check() {
      if (clock.now() >= until) throw new LeaseLost(`the lease ${key} ran out`);
    },
    async release() {
      stop();
      await renewing;
      await redis.eval(RELEASE, 1, key, token);
    },
  };
}
