/** Alerts that were given up, on a real Redis: few, for a week, and each user's own. */
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Connection, connect } from '../log/index.js';
import { createUndeliveredStore, MAX_UNDELIVERED, type Undelivered } from './undelivered.js';

const WEEK_SECONDS = 7 * 86_400;
let redis: TestRedis;
let connection: Connection;

beforeAll(async () => {
  redis = await startRedis();
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
});
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

const given = (n: number): Undelivered => ({
  delivery_id: `1-${n}_landlord-7_email`,
  rule: 'all',
  way: 'email',
  reason: 'refused',
  timestamp: 1_000 + n,
  events: [{ property_id: '1', message: `Event ${n}` }],
  more: 0,
});

it('of one user the newest are kept, under a key that ends by itself, and nobody else has them', async () => {
  const store = createUndeliveredStore({ connection, prefix: 'bounded', clock: { now: () => 2_000_000 } });
  for (let n = 0; n < MAX_UNDELIVERED + 5; n += 1) await store.add('landlord-7', given(n));
  const read = await store.read('landlord-7');
  expect(read.map(({ timestamp }) => timestamp)).toEqual(
    Array.from({ length: MAX_UNDELIVERED }, (_, n) => 1_000 + MAX_UNDELIVERED + 4 - n),
  );
  const key = 'bounded:{alerts}:undelivered:landlord-7';
  expect(await connection.hlen(key)).toBe(MAX_UNDELIVERED);
  const left = await connection.ttl(key);
  expect(left).toBeGreaterThan(WEEK_SECONDS - 60);
  expect(left).toBeLessThanOrEqual(WEEK_SECONDS);
  expect(await store.read('landlord-8')).toEqual([]);
});

it('one is told of once however often it is given up, not after a week, and not once it was taken', async () => {
  let now = 2_000_000;
  const store = createUndeliveredStore({ connection, prefix: 'once', clock: { now: () => now } });
  for (const n of [0, 0, 10]) await store.add('landlord-7', given(n));
  expect(await store.read('landlord-7')).toEqual([given(10), given(0)]);
  now = (1_005 + WEEK_SECONDS) * 1_000;
  expect(await store.read('landlord-7')).toEqual([given(10)]);
  await store.remove('landlord-7', given(10).delivery_id);
  expect(await store.read('landlord-7')).toEqual([]);
});

it('what somebody else wrote there is passed over', async () => {
  const store = createUndeliveredStore({ connection, prefix: 'foreign', clock: { now: () => 2_000_000 } });
  await connection.hset('foreign:{alerts}:undelivered:landlord-7', { a: '[]', b: '{"events":[{}]}', c: 'x' });
  await store.add('landlord-7', given(1));
  expect(await store.read('landlord-7')).toEqual([given(1)]);
});
