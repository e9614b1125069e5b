/** What is watched is what has a reason that still holds, and each new property is announced once among all publishers. */
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import { createWatchList, type WatchList } from './watch-list.js';

const A = '1007200055';
const B = '2046477501';
const C = '4000090001';
let redis: TestRedis;
let time = 1_000_000;
let list: WatchList;
let other: WatchList;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
beforeEach(async () => {
  const connection = redis.connect();
  await connection.flushall();
  list = createWatchList(connection, 'test', () => time);
  other = createWatchList(redis.connect(), 'test', () => time);
});

it('a property is watched for as long as one of its reasons holds', async () => {
  await list.add([A], 'configured');
  await list.add([A, B], 'subscribed', time + 1_000);
  await list.add([B], 'portfolio', time + 5_000);
  expect(await list.reasons(A)).toEqual(['configured', 'subscribed']);
  time += 2_000;
  expect(await list.reasons(A)).toEqual(['configured']);
  expect(await list.properties()).toEqual(new Set([A, B]));
  time += 4_000;
  expect(await list.properties()).toEqual(new Set([A]));
  await list.remove([A], 'configured');
  expect(await list.properties()).toEqual(new Set());
});

it('a shorter time does not cut a longer one', async () => {
  await list.add([A], 'subscribed', time + 5_000);
  await list.add([A], 'subscribed', time + 1_000);
  time += 2_000;
  expect(await list.properties()).toEqual(new Set([A]));
});

it('names that are no BBL are not asked of the city', async () => {
  await list.add(['456', '1000000000', A], 'subscribed');
  expect(await list.properties()).toEqual(new Set([A]));
});

it('each new property is announced to one publisher, and again only after it was gone', async () => {
  await list.add([A, B], 'subscribed', time + 1_000);
  const sweeps = await Promise.all([list.sweep(), other.sweep(), list.sweep()]);
  expect(sweeps.flatMap(({ added }) => added).sort()).toEqual([A, B]);
  expect((await other.sweep()).added).toEqual([]);
  time += 2_000;
  expect((await other.sweep()).removed.toSorted()).toEqual([A, B]);
  await list.add([A], 'portfolio');
  expect(await other.sweep()).toEqual({ added: [A], removed: [], watched: new Set([A]) });
});

it('a service in another language adds to it with one ZADD', async () => {
  await redis.connect().zadd('test:{watch}:subscribed', 'GT', time + 1_000, C);
  expect((await list.sweep()).added).toEqual([C]);
});

it('the configured ones are what the configuration says now', async () => {
  await list.replace([A, B], 'configured');
  await list.replace([B, C], 'configured');
  expect(await list.properties()).toEqual(new Set([B, C]));
});
