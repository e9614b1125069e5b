/** A lease has one holder; one that could not be renewed is noticed by its holder before it hands on anything more. */
import type { Clock } from '@belfry/shared/service';
import { DEFAULT_DEADLINE_MS, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { LeaseLost, takeLease } from './lease.js';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

it('nobody else gets it until it is released', async () => {
  const connection = redis.connect();
  const lease = await takeLease(connection, 'one');
  expect(await takeLease(connection, 'one')).toBeUndefined();
  expect(await takeLease(connection, 'another')).toBeDefined();
  await lease?.release();
  expect(await takeLease(connection, 'one')).toBeDefined();
});

it("a holder that another took it from knows with the next renewal, and does not release the other one's", async () => {
  const connection = redis.connect();
  let renew: () => void = () => undefined;
  const clock: Clock = {
    now: Date.now,
    after: () => () => undefined,
    every: (_ms, run) => {
      renew = run;
      return () => undefined;
    },
  };
  const lease = await takeLease(connection, 'taken', clock);
  lease?.check();
  await connection.set('taken', 'somebody else');
  renew();
  await vi.waitFor(() => expect(() => lease?.check()).toThrow(LeaseLost), DEFAULT_DEADLINE_MS);
  await lease?.release();
  expect(await connection.get('taken')).toBe('somebody else');
});

it('runs out for a holder that cannot reach Redis', async () => {
  let time = 0;
  const clock: Clock = { now: () => time, after: () => () => undefined, every: () => () => undefined };
  const lease = await takeLease(redis.connect(), 'unrenewed', clock);
  time = 29_999;
  lease?.check();
  time = 30_000;
  expect(() => lease?.check()).toThrow(LeaseLost);
});
