/** An alert whose publishers die is tried as often as one whose receiver fails, and where it ends that is told. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { connect } from '@belfry/shared/log';
import { createPreferenceStore } from '@belfry/shared/preferences';
import type { ViolationUpdate } from '@belfry/shared/protocol';
import { createLogger, Registry, systemClock } from '@belfry/shared/service';
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { connectForJobs } from '../jobs/connection.js';
import { createJobMetrics } from '../jobs/metrics.js';
import { createDeliveries } from './deliveries.js';
import type { Delivery } from './delivery.js';
import { createWebhookSender } from './webhook.js';

const USER = 'landlord-7';
const EVENT = { id: '7-1', property_id: '1', message: 'one', severity: 'high', timestamp: 1 } as ViolationUpdate;
const DELIVERY: Delivery = { id: `7-1_${USER}_webhook`, user: USER, rule: 'all', way: 'webhook', events: [EVENT] };
const QUEUE = '{belfry:jobs}:deliveries';

let redis: TestRedis;
let connection: ReturnType<typeof connect>;

beforeAll(async () => {
  redis = await startRedis();
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
});
beforeEach(() => connection.flushall());
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

function start() {
  const store = createPreferenceStore({ connection, prefix: 'belfry', clock: systemClock });
  const delivered: string[] = [];
  const dead: (readonly [id: string, reason: string])[] = [];
  const lines: { msg: string; delivery?: string; reason?: string }[] = [];
  const logger = createLogger('test', 'info', { write: (line: string) => void lines.push(JSON.parse(line)) });
  const deliveries = createDeliveries({
    prefix: 'belfry',
    connect: () => connectForJobs(redis.url, 'jobs', () => undefined),
    metrics: createJobMetrics(new Registry(), logger, systemClock),
    logger,
    clock: systemClock,
    store,
    firstRetryMs: 100,
    carriers: {
      webhook: createWebhookSender({ clock: systemClock, allowPrivate: true, timeoutMs: 1_000 }),
      email: undefined,
      sms: undefined,
    },
    onDelivered: ({ id }) => void delivered.push(id),
    onDead: ({ id }, _, reason) => void dead.push([id, reason]),
  });
  return { dead, deliveries, delivered, lines, store };
}

/** The delivery in the hands of a publisher that is gone, as `before` others before it. */
async function orphan(before: number): Promise<void> {
  const { deliveries, store } = start();
  const receiver = createServer((_, response) => response.end()).listen(0, '127.0.0.1');
  onTestFinished(() => void receiver.close());
  await once(receiver, 'listening');
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  await store.write(
    { userId: USER, issuedAt: undefined, readable: () => 'all' },
    { webhook: { url, secret: 'a-secret-for-webhooks' }, rules: [] },
  );
  await deliveries.queue(DELIVERY, 600_000);
  await deliveries.close();
  await connection.zrem(`${QUEUE}:delayed`, DELIVERY.id);
  await connection.lpush(`${QUEUE}:active`, DELIVERY.id);
  await connection.sadd(`${QUEUE}:stalled`, DELIVERY.id);
  await connection.hset(`${QUEUE}:${DELIVERY.id}`, 'stc', before);
  await connection.del(`${QUEUE}:stalled-check`);
}

it('an alert that was in the hands of eleven publishers when they died is delivered by the next', async () => {
  await orphan(11);
  const { deliveries, dead, delivered } = start();
  onTestFinished(deliveries.close);
  await eventually('the delivery', () => delivered.length === 1);
  expect(dead).toEqual([]);
});

it('an alert that lost as many publishers as it has attempts, and another one, is counted and told of as dead, once', async () => {
  await orphan(12);
  const { deliveries, dead, delivered, lines } = start();
  onTestFinished(deliveries.close);
  await eventually('word of it', () => dead.length > 0);
  expect(dead).toEqual([[DELIVERY.id, expect.stringContaining('stalled')]]);
  expect(delivered).toEqual([]);
  expect(lines.filter(({ msg }) => msg === 'delivery given up')).toMatchObject([
    { delivery: DELIVERY.id, way: 'webhook', reason: expect.stringContaining('stalled') },
  ]);
});
