/**
 * Shares: which part of the intake, or of the users, this publisher works on. Leases divide the shares among the
 * publishers that are alive, about equally; they spread the work and no more: safety rests on the compare-and-set in
 * append.
 */
import { crc32 } from 'node:zlib';
import type { Connection } from '@belfry/shared/log';
import type { Clock, Logger } from '@belfry/shared/service';
import type { LeaseCommands } from './scripts.js';

/** Which share a channel belongs to. */
export const shareOf = (channel: string, shares: number): number => crc32(channel) % shares;

export interface Shares {
  /** The shares that this publisher should work on. */
  held(): ReadonlySet<number>;
  /** Shares to be given up because others have too few; `release` them when their work has been put in order. */
  surplus(): ReadonlySet<number>;
  /** Never rejects: a lease that Redis does not take back runs out by itself. */
  release(share: number): Promise<void>;
  /** Stops renewing; where `giveBack`, gives up what is held and leaves the circle of publishers. */
  close(giveBack: boolean): Promise<void>;
}

/** The names of what is kept in Redis about one kind of work. */
export interface ShareKeys {
  /** Sorted set: the publishers that are alive, by their last heartbeat. */
  readonly publishers: string;
  /** String: into how many shares the work is cut. */
  readonly shares: string;
  /** String: which publisher works on a share. */
  lease(share: number): string;
}

export interface SharesOptions {
  readonly commands: LeaseCommands & Pick<Connection, 'set' | 'zrem'>;
  readonly keys: ShareKeys;
  readonly shares: number;
  /** Unique among all publishers. */
  readonly name: string;
  /** How long a lease outlives its holder. */
  readonly leaseMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly random: () => number;
  /** Called whenever `held` or `surplus` is another one. */
  readonly onChange: () => void;
  /** Called when the work in Redis is cut into another number of shares; none is taken. */
  readonly onMisfit: (actual: number) => void;
}

/** Renewals in the time of a lease: two may fail before others take over. */
const RENEWALS = 4;

export function createShares(options: SharesOptions): Shares {
  const { clock, commands, keys, leaseMs, logger, name, shares } = options;
  const held = new Set<number>();
  let surplus: ReadonlySet<number> = new Set();
  let closed = false;
  let running: Promise<void> | undefined;

  /** Channels would belong to other shares, whose checkpoints say nothing of them: events would come twice. */
  async function fits(): Promise<boolean> {
    const before = await commands.set(keys.shares, shares, 'NX', 'GET');
    if (before === null || Number(before) === shares) return true;
    options.onMisfit(Number(before));
    return false;
  }

  async function round(): Promise<void> {
    if (!(await fits())) return;
    const alive = await commands.belfryHeartbeat(keys.publishers, name, leaseMs);
    const fair = Math.ceil(shares / Math.max(1, alive));
    let changed = await renew();
    if (held.size < fair) changed = (await take(fair)) || changed;
    const over = new Set([...held].slice(fair));
    changed ||= over.size !== surplus.size;
    surplus = over;
    if (changed && !closed) options.onChange();
  }

  async function renew(): Promise<boolean> {
    const before = held.size;
    await Promise.all(
      [...held].map(async (share) => {
        if ((await commands.belfryLeaseTake(keys.lease(share), name, leaseMs)) === 0) {
          held.delete(share);
          logger.warn({ share }, 'lease lost');
        }
      }),
    );
    return held.size !== before;
  }

  /** Tries free shares in turn, from a random one on, so that publishers that start together do not race for each. */
  async function take(fair: number): Promise<boolean> {
    const before = held.size;
    const first = Math.floor(options.random() * shares);
    for (let n = 0; n < shares && held.size < fair && !closed; n += 1) {
      const share = (first + n) % shares;
      if (!held.has(share) && (await commands.belfryLeaseTake(keys.lease(share), name, leaseMs)) === 1) held.add(share);
    }
    return held.size !== before;
  }

  function next(): void {
    if (running || closed) return;
    running = round()
      // Leases are kept in mind while Redis is away: who works on alone harms nobody.
      .catch((error: unknown) => logger.debug({ err: error }, 'leases cannot be renewed'))
      .finally(() => {
        running = undefined;
      });
  }

  const stopRounds = clock.every(leaseMs / RENEWALS, next);
  next();

  async function drop(share: number): Promise<void> {
    held.delete(share);
    surplus = new Set([...surplus].filter((other) => other !== share));
    await commands.belfryLeaseRelease(keys.lease(share), name);
  }

  return {
    held: () => held,
    surplus: () => surplus,
    release: (share) =>
      drop(share).catch((error: unknown) =>
        logger.debug({ err: error, share }, 'a lease was not given back; it runs out by itself'),
      ),
    async close(giveBack) {
      closed = true;
      stopRounds();
      if (!giveBack) return;
      await running;
      try {
        await Promise.all([...held].map(drop));
        await commands.zrem(keys.publishers, name);
      } catch (error) {
        logger.warn({ err: error }, 'leases were not given back; they run out by themselves');
      }
    },
  };
}
