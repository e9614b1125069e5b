/** Digests on a real Redis: what was put aside is sent, all of it, under one id, wherever a publisher dies. */

import { connect } from '@belfry/shared/log';
import type { ViolationUpdate } from '@belfry/shared/protocol';
import { foreignCount } from '@belfry/shared/service';
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Delivery } from './delivery.js';
import { createDigests, DIGESTS } from './digests.js';

let redis: TestRedis;
let connection: ReturnType<typeof connect>;
/** As BullMQ keeps them: one that was queued under the same id changes nothing. */
let queued: Map<string, Delivery>;
let delays: number[];
let failing = false;
let quietMs = 0;
let asked: (readonly string[])[];

beforeAll(async () => {
  redis = await startRedis();
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
});
beforeEach(async () => {
  await connection.flushall();
  queued = new Map();
  delays = [];
  failing = false;
  quietMs = 0;
  asked = [];
});
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

const event = (offset: number) => ({ id: `7-${offset}`, message: `event ${offset}` }) as unknown as ViolationUpdate;
const alert = (offset: number): Delivery => ({
  id: `7-${offset}_landlord-7_email`,
  user: 'landlord-7',
  rule: 'all',
  way: 'email',
  events: [event(offset)],
});

/** Dies, where it is told to, once the delivery is queued and before it is written down that it was. */
const digests = () =>
  createDigests({
    connection: new Proxy(connection, {
      get(target, name) {
        if (failing && name === 'hdel') throw new Error('the publisher died');
        const value: unknown = Reflect.get(target, name);
        return typeof value === 'function' ? value.bind(target) : value;
      },
    }),
    prefix: 'belfry',
    queue: async (delivery, delayMs) => {
      if (queued.has(delivery.id)) return;
      queued.set(delivery.id, delivery);
      delays.push(delayMs);
    },
    quietMs: async (...whose) => {
      asked.push(whose);
      return quietMs;
    },
  });
/** Beside the ids by which an alert is known that comes again. */
const left = async () => (await connection.keys('*')).filter((key) => key !== 'belfry:{alerts}:digest:known');
const sent = () => [...queued.values()].map(({ events }) => events.map(({ id }) => id));

it('sends what was put aside between a crash and the next attempt, and nothing twice', async () => {
  await digests().collect(alert(1), 'hourly');
  failing = true;
  await expect(digests().flush('hourly')).rejects.toThrow('the publisher died');
  failing = false;
  await digests().collect(alert(2), 'hourly');
  await digests().flush('hourly');
  expect(sent()).toEqual([['7-1'], ['7-2']]);
  await digests().flush('hourly');
  expect(queued.size).toBe(2);
  expect(await left()).toEqual([]);
});

it('sends what is matched again, by whoever goes on for one that died, in one digest only', async () => {
  await digests().collect(alert(1), 'hourly');
  await digests().flush('hourly');
  await digests().collect(alert(1), 'hourly');
  await digests().collect(alert(2), 'hourly');
  await digests().flush('hourly');
  expect(sent()).toEqual([['7-1'], ['7-2']]);
});

it('keeps the order of the events, also from the tenth on', async () => {
  for (const offset of [10, 9, 11, 2]) await digests().collect(alert(offset), 'daily');
  await digests().flush('daily');
  expect(sent()).toEqual([['7-2', '7-9', '7-10', '7-11']]);
});

it('leaves out none of more events than one message holds', async () => {
  const many = Array.from({ length: 501 }, (_, n) => event(n));
  await digests().collect({ ...alert(0), events: many }, 'daily');
  await digests().flush('daily');
  expect(sent().map((ids) => ids.length)).toEqual([500, 1]);
});

it('leaves out what is none of its alerts, counts it, and looks at it no more', async () => {
  const before = foreignCount('digest');
  await digests().collect(alert(1), 'hourly');
  const [member = ''] = await connection.smembers('belfry:{alerts}:digests:hourly');
  await connection.hset(`belfry:{alerts}:digest:hourly:${member}`, 'x', 'no JSON', 'y', '{"id":"1"}', 'z', 'null');
  await connection.hset('belfry:{alerts}:digest:hourly:broken_email', 'x', '{"events":[null]}');
  await connection.sadd('belfry:{alerts}:digests:hourly', 'broken_email');
  await digests().flush('hourly');
  expect(sent()).toEqual([['7-1']]);
  expect(foreignCount('digest') - before).toBe(4);
  expect(await left()).toEqual([]);
});

it('goes out at the end of quiet hours, once for all of them', async () => {
  await digests().collect(alert(1), 'hourly');
  quietMs = 2 * DIGESTS.hourly;
  await digests().flush('hourly');
  expect(sent()).toEqual([]);
  await digests().collect(alert(2), 'hourly');
  quietMs = DIGESTS.hourly;
  await digests().flush('hourly');
  expect(sent()).toEqual([]);
  quietMs = DIGESTS.hourly - 1;
  await digests().flush('hourly');
  expect(sent()).toEqual([['7-1', '7-2']]);
  expect(delays).toEqual([DIGESTS.hourly - 1]);
  expect(asked.at(-1)).toEqual(['landlord-7', 'email', 'hourly']);
});

it('of a day waits for the end of quiet hours, which are over before the next one', async () => {
  await digests().collect(alert(1), 'daily');
  quietMs = DIGESTS.daily - 1;
  await digests().flush('daily');
  expect(delays).toEqual([DIGESTS.daily - 1]);
});

it('sends the digests of the others where one cannot be read', async () => {
  await digests().collect(alert(1), 'hourly');
  await connection.set('belfry:{alerts}:digest:hourly:sealed:broken_email', 'no hash');
  await connection.sadd('belfry:{alerts}:digests:hourly', 'broken_email');
  await expect(digests().flush('hourly')).rejects.toThrow();
  expect(sent()).toEqual([['7-1']]);
});
