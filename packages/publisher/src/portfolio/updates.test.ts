/** Whose figures a publisher counts, while another one takes users over and gives them back. The other one is the test. */
import { channelKeys, connect } from '@belfry/shared/log';
import { createPresenceReader, type PresenceWriter, startPresenceWriter } from '@belfry/shared/presence';
import { propertyChannel } from '@belfry/shared/protocol';
import { type Clock, createLogger, Registry, systemClock } from '@belfry/shared/service';
import { deferred, eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { encodeFacts } from '../changes/facts.js';
import { shareOf } from '../leases/shares.js';
import { createWatchList } from '../sources/watch-list.js';
import { createCounter, PARTS_MS } from './counter.js';
import { portfolioKeys } from './keys.js';
import { createKpiMetrics } from './metrics.js';
import { createPortfolioStore } from './store.js';
import { startUpdates, type Updates } from './updates.js';

const PREFIX = 'test';
const PROPERTY = '1012650001';
/** In different shares of 16. */
const MOVED = 'landlord-7';
const STAYS = 'landlord-8';
const SECOND = 1_000;
const keys = portfolioKeys(PREFIX);
const leaseOfMoved = keys.leases.lease(shareOf(MOVED, 16));
const logger = createLogger('test', 'silent');

let redis: TestRedis;
let connection: ReturnType<typeof connect>;
let presence: PresenceWriter;
let updates: Updates;
/** The publisher's clock is ahead by this much. */
let aheadMs: number;
/** What a count waits for at its end. */
let ready: Promise<void>;
const counted: string[] = [];
const sent: Record<string, unknown>[] = [];

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

beforeEach(async () => {
  await redis.connect().flushall();
  aheadMs = 0;
  ready = Promise.resolve();
  counted.length = 0;
  sent.length = 0;
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
  const clock: Clock = { ...systemClock, now: () => Date.now() + aheadMs };
  const watchList = createWatchList(connection, PREFIX, clock.now);
  const store = createPortfolioStore({ connection, keys, watchList, clock });
  for (const user of [MOVED, STAYS]) await store.write(user, [PROPERTY]);
  const users = [MOVED, STAYS];
  presence = startPresenceWriter({
    connection,
    prefix: PREFIX,
    node: 'gateway',
    users: { names: () => users, count: () => 1 },
    channels: { names: () => users.map((user) => `user:${user}`), count: () => 1 },
    expiryMs: 5 * SECOND,
    clock: systemClock,
    logger,
  });
  const counter = createCounter({ connection, prefix: PREFIX, keys, clock });
  updates = startUpdates({
    connection,
    prefix: PREFIX,
    keys,
    name: 'publisher',
    leaseMs: 400,
    store,
    access: { read: async () => undefined },
    counter: {
      ...counter,
      count: async (user, properties, era) => {
        counted.push(user);
        const kpis = await counter.count(user, properties, era);
        await ready;
        return kpis;
      },
    },
    presence: createPresenceReader({ connection, prefix: PREFIX }),
    door: {
      accept: async (reports) => {
        for (const report of reports) if ('event' in report) sent.push(report.event);
        return [];
      },
    },
    clock,
    random: Math.random,
    logger,
    metrics: createKpiMetrics(new Registry()),
  });
  await change(1);
  for (const user of users) await eventually(`figures of ${user}`, () => shown(user) === 1);
  // So that nobody is due any more.
  await renewal(...users);
});
afterEach(async () => {
  await updates.close();
  await presence.close();
  connection.disconnect();
});

const shown = (user: string): unknown => sent.findLast(({ channel }) => channel === `user:${user}`)?.open_violations;

/** A round that began with the first new beat has looked at every lease before the second one. */
async function handOver(): Promise<void> {
  await connection.set(leaseOfMoved, 'the other publisher', 'PX', 60 * SECOND);
  const beat = () => connection.zscore(keys.leases.publishers, 'publisher');
  for (let beats = 0; beats < 2; beats += 1) {
    const before = await beat();
    await eventually('a beat', async () => (await beat()) !== before);
  }
}

/** So many violations are open at the property of both. */
async function change(count: number): Promise<void> {
  const facts = encodeFacts({ count, open: new Map(), severity: undefined });
  await connection.hset(channelKeys(PREFIX, propertyChannel(PROPERTY)).facts, 'HPD', facts);
  const body = `{"channel":"global","type":"VIOLATION_UPDATE","property_id":"${PROPERTY}"}`;
  await connection.xadd(channelKeys(PREFIX, 'global').log, '*', 'd', body);
}

/** What is known of everybody runs out: these are counted anew. */
async function renewal(...users: readonly string[]): Promise<void> {
  const before = counted.length;
  aheadMs += PARTS_MS + SECOND;
  await eventually('a renewal', () => users.every((user) => counted.includes(user, before)));
}

it('a user who was handed to another publisher is counted there only, also minutes later', async () => {
  await handOver();
  counted.length = 0;
  for (const count of [2, 3]) {
    await change(count);
    await eventually('figures of who stays', () => shown(STAYS) === count);
    // Whoever is due with the first is through before the second begins.
    await renewal(STAYS);
    await renewal(STAYS);
  }
  expect(counted).not.toContain(MOVED);
  expect(shown(MOVED)).toBe(1);
});

it('figures that are being counted while a user is handed over are not sent', async () => {
  const held = deferred<void>();
  ready = held.promise;
  counted.length = 0;
  await change(2);
  await eventually('a count', () => counted.includes(MOVED));
  await handOver();
  held.resolve();
  // Who was due next is through when these are.
  await eventually('figures of who stays', () => shown(STAYS) === 2);
  await change(3);
  await eventually('figures of who stays', () => shown(STAYS) === 3);
  expect(shown(MOVED)).toBe(1);
});

it('a user who comes back is counted anew, as what changed meanwhile went unseen here', async () => {
  await handOver();
  await change(2);
  await eventually('figures of who stays', () => shown(STAYS) === 2);
  expect(shown(MOVED)).toBe(1);
  await connection.del(leaseOfMoved);
  await eventually('their figures of now', () => shown(MOVED) === 2);
});
