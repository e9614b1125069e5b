/** What is revoked stays revoked: also what is written while it is read, and on a gateway whose clock is wrong. */
import { CLOCK_TOLERANCE_SECONDS } from '@belfry/shared/auth';
import { type Connection, clusterKeys } from '@belfry/shared/log';
import { createLogger, systemClock } from '@belfry/shared/service';
import { startRedis } from '@belfry/testkit';
import { describe, expect, it } from 'vitest';
import { createRevocations } from './revocations.js';

const logger = createLogger('gateway', 'silent');
const BEARER = {
  userId: 'revoked',
  role: undefined,
  properties: new Set<string>(),
  expiresAt: Number.MAX_SAFE_INTEGER,
  issuedAt: undefined,
  tokenId: undefined,
};

it('finds a revocation that came between the two questions of a reading', async () => {
  const redis = await startRedis();
  try {
    const real = redis.connect();
    const keys = clusterKeys('belfry');
    const options = { keys, clock: systemClock, logger };
    const other = createRevocations({ ...options, connection: real });
    let between: (() => Promise<unknown>) | undefined = () => other.revoke({ userId: 'revoked' }, 60);
    /** Lets the other gateway write behind the first of the two questions. */
    const ask = async <T>(question: () => Promise<T>): Promise<T> => {
      const answer = await question();
      const write = between;
      between = undefined;
      await write?.();
      return answer;
    };
    const connection = {
      get: (key: string) => ask(() => real.get(key)),
      hgetall: (key: string) => ask(() => real.hgetall(key)),
      time: () => real.time(),
    } as unknown as Connection;
    const revocations = createRevocations({ ...options, connection });
    await revocations.reload();
    await revocations.refresh();
    expect(revocations.isRevoked(BEARER)).toBe(true);
  } finally {
    await redis.stop();
  }
});

it('forgets nothing on a gateway whose clock is days ahead', async () => {
  const redis = await startRedis();
  const realNow = Date.now;
  try {
    const connection = redis.connect();
    const parts = { keys: clusterKeys('belfry'), clock: systemClock, logger, connection };
    await createRevocations(parts).revoke({ tokenId: 'lost-laptop' }, 60);
    Date.now = () => realNow() + 30 * 86_400_000;
    const ahead = createRevocations(parts);
    await ahead.reload();
    expect(ahead.isRevoked({ ...BEARER, tokenId: 'lost-laptop' })).toBe(true);
    expect(await connection.hlen(parts.keys.revoked)).toBe(1);
  } finally {
    Date.now = realNow;
    await redis.stop();
  }
});

it('lets nobody back in because Redis has lost what was revoked, and tells gateways that start later', async () => {
  const redis = await startRedis();
  try {
    const connection = redis.connect();
    const parts = { keys: clusterKeys('belfry'), clock: systemClock, logger, connection };
    const revocations = createRevocations(parts);
    revocations.note((await revocations.revoke({ userId: 'revoked' }, 60)).word);
    await revocations.reload();
    await connection.flushall();
    await revocations.refresh();
    expect(revocations.isRevoked(BEARER)).toBe(true);
    const later = createRevocations(parts);
    await later.reload();
    expect(later.isRevoked(BEARER)).toBe(true);
    // Who was there all the time hears of the next one though the first was lost, too.
    await connection.flushall();
    await later.revoke({ tokenId: 'lost-laptop' }, 60);
    await revocations.refresh();
    expect(revocations.isRevoked({ ...BEARER, userId: 'bystander', tokenId: 'lost-laptop' })).toBe(true);
  } finally {
    await redis.stop();
  }
});

it('does not say that somebody is revoked when Redis did not take it', async () => {
  const redis = await startRedis();
  try {
    const connection = redis.connect();
    const parts = { keys: clusterKeys('belfry'), clock: systemClock, logger, connection };
    // Full, as a Redis without eviction is.
    await connection.config('SET', 'maxmemory', 1);
    await expect(createRevocations(parts).revoke({ userId: 'revoked' }, 60)).rejects.toThrow(/OOM|EXECABORT/);
  } finally {
    await redis.stop();
  }
});

it('forgets what is over, and does not write it again', async () => {
  const redis = await startRedis();
  try {
    const connection = redis.connect();
    const parts = { keys: clusterKeys('belfry'), clock: systemClock, logger, connection };
    const revocations = createRevocations(parts);
    revocations.note((await revocations.revoke({ userId: 'revoked' }, 0)).word);
    await revocations.reload();
    await revocations.reload();
    expect(revocations.isRevoked(BEARER)).toBe(false);
    expect(await connection.hlen(parts.keys.revoked)).toBe(0);
  } finally {
    await redis.stop();
  }
});

describe('a token that was issued before its user was revoked', () => {
  /** Revokes with clocks that are so many seconds behind the issuer's, and says whether a token of `ageSeconds` is refused. */
  async function revokes(behind: { readonly redis: number; readonly gateway: number }, ageSeconds: number) {
    const redis = await startRedis();
    try {
      const connection = redis.connect();
      const now = Date.now() / 1_000;
      connection.time = async () => [now - behind.redis, 0];
      const clock = { now: () => (now - behind.gateway) * 1_000 };
      const revocations = createRevocations({ connection, keys: clusterKeys('belfry'), clock, logger });
      const { issuedUntil, word } = await revocations.revoke({ userId: 'revoked' }, 60);
      revocations.note(word);
      const refused = revocations.isRevoked({ ...BEARER, issuedAt: Math.floor(now - ageSeconds) });
      await revocations.reload();
      expect(revocations.isRevoked({ ...BEARER, issuedAt: Math.floor(now - ageSeconds) })).toBe(refused);
      return { refused, issuedUntil: issuedUntil - now };
    } finally {
      await redis.stop();
    }
  }

  it.each([
    ['Redis', { redis: 30, gateway: 0 }],
    ['the gateway', { redis: 0, gateway: 30 }],
    ['both, within the tolerance,', { redis: CLOCK_TOLERANCE_SECONDS, gateway: CLOCK_TOLERANCE_SECONDS }],
  ])('is refused where the clock of %s is behind', async (_, behind) => {
    expect(await revokes(behind, 0)).toMatchObject({ refused: true });
  });

  it('is the last one that is refused: one that is fetched seconds later is good', async () => {
    const together = { redis: 0, gateway: 0 };
    expect(await revokes(together, -CLOCK_TOLERANCE_SECONDS - 1)).toMatchObject({ refused: false });
    expect((await revokes(together, 0)).issuedUntil).toBeCloseTo(CLOCK_TOLERANCE_SECONDS, 3);
    const longest = { redis: -CLOCK_TOLERANCE_SECONDS, gateway: -CLOCK_TOLERANCE_SECONDS };
    expect(await revokes(longest, -2 * CLOCK_TOLERANCE_SECONDS - 1)).toMatchObject({ refused: false });
  });
});
