/** Deliveries on a real Redis: a receiver that fails or hangs is left alone, whatever else it answers meanwhile. */
import { createLogger, Registry, systemClock } from '@belfry/shared/service';
import { type Deferred, deferred, eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { connectForJobs } from '../jobs/connection.js';
import { createJobMetrics } from '../jobs/metrics.js';
import { createDeliveries, type Deliveries, type DeliveriesOptions } from './deliveries.js';
import type { Delivery } from './delivery.js';

const logger = createLogger('test', 'silent');
let redis: TestRedis;
let deliveries: Deliveries;
let prefixes = 0;
/** Calls that have no answer yet, and whose receivers they are at. */
let hanging: Deferred<void>[];
let inHand: Map<string, number>;
let most: Map<string, number>;
/** Ids, each as often as it was sent. */
let sent: string[];

beforeAll(async () => {
  redis = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
});
beforeEach(() => {
  prefixes += 1;
  hanging = [];
  inHand = new Map();
  most = new Map();
  sent = [];
});
afterEach(async () => {
  const closing = deliveries.close();
  for (const call of hanging) call.reject(new Error('no answer'));
  await closing;
});
afterAll(() => redis.stop());

const delivery = (user: string, n: number, way: Delivery['way'] = 'webhook', hangs = false): Delivery => ({
  id: `1-${n}_${user}_${way}${hangs ? '_hangs' : ''}`,
  user,
  rule: 'all',
  way,
  events: [{ property_id: '1' } as Delivery['events'][number]],
});

/** Counts what its receiver has in hand. One whose id says so hangs. */
async function call(receiver: string, { id }: Delivery): Promise<void> {
  const now = (inHand.get(receiver) ?? 0) + 1;
  inHand.set(receiver, now);
  most.set(receiver, Math.max(most.get(receiver) ?? 0, now));
  try {
    if (!id.endsWith('_hangs')) return void sent.push(id);
    const answer = deferred<void>();
    hanging.push(answer);
    await answer.promise;
  } finally {
    inHand.set(receiver, (inHand.get(receiver) ?? 0) - 1);
  }
}

function start(options: Partial<DeliveriesOptions> = {}): void {
  deliveries = createDeliveries({
    prefix: `test${prefixes}`,
    connect: () => connectForJobs(redis.url, 'jobs', () => undefined),
    metrics: createJobMetrics(new Registry(), logger, systemClock),
    logger,
    clock: systemClock,
    store: {
      read: async (user) => ({
        webhook: { url: `http://${user}/hook`, secret: 'a-secret-for-webhooks' },
        email: `${user}@example.org`,
        sms: '+12125550100',
        rules: [],
      }),
      access: { read: async () => undefined } as unknown as DeliveriesOptions['store']['access'],
    },
    carriers: {
      webhook: ({ url }, what) => call(new URL(url).host, what),
      email: (_, what) => call('email', what),
      sms: (_, what) => call('sms', what),
    },
    firstRetryMs: 60_000,
    onDelivered: () => undefined,
    onDead: () => undefined,
    ...options,
  });
}

it('a receiver of which some calls hang and some succeed never has more than two in hand', async () => {
  start();
  for (let n = 0; n < 60; n += 1) await deliveries.queue(delivery('landlord-7', n, 'webhook', n % 5 === 0), 0);
  await eventually('two that hang', () => hanging.length >= 2);
  // Behind all of them: once it is through, each of them was looked at.
  await deliveries.queue(delivery('witness', 0), 0);
  await eventually('the delivery of somebody else', () => sent.includes('1-0_witness_webhook'));
  expect(sent.length).toBeGreaterThan(1);
  expect(most.get('landlord-7')).toBe(2);
});

it('a receiver that fails is left alone also where another call to it succeeded meanwhile', async () => {
  start();
  await deliveries.queue(delivery('landlord-7', 0, 'webhook', true), 0);
  await eventually('the call that hangs', () => hanging.length === 1);
  await deliveries.queue(delivery('landlord-7', 1), 0);
  await eventually('the one that succeeds', () => sent.length === 1);
  hanging[0]?.reject(new Error('no answer'));
  // Both wait: the first one to be tried again, the other one because its receiver failed.
  const counts = () => deliveries.jobs.queue.getJobCounts('delayed', 'completed');
  await eventually('the failure', async () => (await counts()).delayed === 1);
  await deliveries.queue(delivery('landlord-7', 2), 0);
  await eventually('the end of both', async () => {
    const { completed = 0, delayed = 0 } = await counts();
    return completed + delayed === 3;
  });
  expect(sent).toEqual(['1-1_landlord-7_webhook']);
});

it('a webhook whose host is called email does not keep e-mail waiting', async () => {
  start();
  await deliveries.queue(delivery('email', 0, 'webhook', true), 0);
  await eventually('the call that hangs', () => hanging.length === 1);
  hanging[0]?.reject(new Error('no answer'));
  await eventually('the failure', async () => (await deliveries.jobs.queue.getDelayedCount()) === 1);
  await deliveries.queue(delivery('landlord-7', 1, 'email'), 0);
  await eventually('the e-mail', () => sent.includes('1-1_landlord-7_email'));
});

it.each(['email', 'sms'] as const)('%s that hangs takes a share of the places, and webhooks find one', async (way) => {
  start();
  for (let n = 0; n < 60; n += 1) await deliveries.queue(delivery('landlord-7', n, way, true), 0);
  await eventually('many that hang', () => hanging.length >= 20);
  await deliveries.queue(delivery('witness', 0), 0);
  await eventually('the webhook', () => sent.includes('1-0_witness_webhook'));
  expect(most.get(way)).toBe(20);
});

it('what was delivered is not sent again where it is queued once more, however much was delivered since', async () => {
  start();
  const all = Array.from({ length: 1_200 }, (_, n) => delivery('landlord-7', n, 'sms'));
  const queueAll = () => Promise.all(all.map((one) => deliveries.queue(one, 0)));
  const { queue } = deliveries.jobs;
  await queueAll();
  await eventually('the end of all', async () => {
    const { active, delayed, waiting } = await queue.getJobCounts('active', 'delayed', 'waiting');
    return sent.length >= all.length && active === 0 && delayed === 0 && waiting === 0;
  });
  await queueAll();
  const { completed, waiting } = await queue.getJobCounts('completed', 'waiting');
  expect({ completed, waiting, sent: sent.length }).toEqual({ completed: all.length, waiting: 0, sent: all.length });
});

it('a digest that was delivered is kept without its events', async () => {
  start();
  const one = delivery('landlord-7', 0, 'email');
  await deliveries.queue({ ...one, events: [...one.events, ...one.events] }, 0);
  const { queue } = deliveries.jobs;
  const [job] = await eventually('the end of it', async () => {
    const completed = await queue.getCompleted();
    return completed.length === 1 && completed;
  });
  expect(job?.data).toEqual({ ...one, events: [] });
  expect(sent).toEqual([one.id]);
});

it('a delivery whose user’s preferences cannot be read is tried as often as any, and told of as dead once', async () => {
  let reads = 0;
  const read = () => {
    reads += 1;
    return Promise.reject(new Error('WRONGTYPE'));
  };
  const access = { read: async () => undefined } as unknown as DeliveriesOptions['store']['access'];
  const dead: (readonly [id: string, reason: string])[] = [];
  start({ store: { read, access }, firstRetryMs: 1, onDead: ({ id }, _, reason) => void dead.push([id, reason]) });
  const one = delivery('landlord-7', 0);
  await deliveries.queue(one, 0);
  await eventually('the last attempt', async () => (await deliveries.jobs.queue.getFailedCount()) === 1);
  await eventually('word of it', () => dead.length > 0);
  expect(dead).toEqual([[one.id, 'WRONGTYPE']]);
  expect(reads).toBe(12);
});
