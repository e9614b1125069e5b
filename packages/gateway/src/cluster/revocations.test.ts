/** A revocation that is written while the others are being read is heard of, if not now, then with the next heartbeat. */
import { type Connection, clusterKeys } from '@belfry/shared/log';
import { createLogger, systemClock } from '@belfry/shared/service';
import { startRedis } from '@belfry/testkit';
import { expect, it } from 'vitest';
import { createRevocations } from './revocations.js';

it('finds a revocation that came between the two questions of a reading', async () => {
  const redis = await startRedis();
  try {
    const real = redis.connect();
    const keys = clusterKeys('belfry');
    const options = { keys, clock: systemClock, logger: createLogger('gateway', 'silent') };
    const other = createRevocations({ ...options, connection: real });
    let between: (() => Promise<void>) | undefined = () => other.revoke({ userId: 'revoked' }, 60);
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
    } as unknown as Connection;
    const revocations = createRevocations({ ...options, connection });
    const bearer = {
      userId: 'revoked',
      role: undefined,
      properties: new Set<string>(),
      expiresAt: Number.MAX_SAFE_INTEGER,
      issuedAt: undefined,
      tokenId: undefined,
    };
    await revocations.reload();
    await revocations.refresh();
    expect(revocations.isRevoked(bearer)).toBe(true);
  } finally {
    await redis.stop();
  }
});
