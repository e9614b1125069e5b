/** The matcher on a real Redis: nothing that stands in its way keeps the others from their alerts. */
import { connect } from '@belfry/shared/log';
import { createPreferenceStore, type Preferences } from '@belfry/shared/preferences';
import { createLogger, systemClock } from '@belfry/shared/service';
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import type { Delivery } from './delivery.js';
import { type Matcher, startMatcher } from './matcher.js';

let redis: TestRedis;
let connection: ReturnType<typeof connect>;
let matcher: Matcher;
let deliveries: Delivery[];
let skipped: string[];

beforeAll(async () => {
  redis = await startRedis();
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
});
beforeEach(async () => {
  await connection.flushall();
  await connection.set('belfry:{alerts}:checkpoint', '0-0');
  deliveries = [];
  skipped = [];
});
afterEach(() => matcher.close());
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

const store = () => createPreferenceStore({ connection, prefix: 'belfry' });
const rules: Preferences = {
  email: 'a@example.org',
  rules: [{ id: 'all', properties: '*', min_severity: 'info', via: ['email'], digest: 'none' }],
};

const write = (userId: string, readable: 'all' | readonly string[], preferences = rules, issuedAt?: number) =>
  store().write({ userId, issuedAt, readable: () => readable }, preferences);

function start(queue = async (delivery: Delivery) => void deliveries.push(delivery)): void {
  matcher = startMatcher({
    connection,
    prefix: 'belfry',
    name: 'test',
    store: store(),
    clock: systemClock,
    logger: createLogger('test', 'silent'),
    queue,
    collect: async () => undefined,
    onMissed: () => undefined,
    onSkipped: (what) => void skipped.push(what),
  });
}
const append = (event: unknown) =>
  connection.xadd('belfry:{global}:log', '1-*', 'd', typeof event === 'string' ? event : JSON.stringify(event));
const update = (property: string, more: Record<string, unknown> = {}) => ({
  channel: 'global',
  type: 'VIOLATION_UPDATE',
  property_id: property,
  violation_type: 'HPD',
  count: 1,
  new_violations: 1,
  resolved: 0,
  severity: 'high',
  timestamp: 1,
  message: 'one',
  ...more,
});
const told = () => deliveries.map(({ events, user }) => `${user} ${events[0]?.property_id}`);

it('passes over what is no VIOLATION_UPDATE though it calls itself one, and over preferences that nobody can read', async () => {
  await write('landlord-7', ['1', '2']);
  await write('landlord-8', ['1', '2']);
  await connection.hset('belfry:{alerts}:preferences', 'landlord-8', '{"preferences":');
  start();
  await append('no JSON');
  await append(update('1', { severity: 'awful' }));
  await append(update('1', { violation_type: { a: 1 } }));
  await append(update('1', { new_violations: 'many' }));
  await append({ channel: 'global', type: 'document' });
  await append(update('2'));
  await eventually('the one alert', async () => deliveries.length === 1);
  expect(told()).toEqual(['landlord-7 2']);
  expect(skipped).toEqual(['event', 'event', 'event', 'event', 'preferences']);
});

it('tells nobody of what their newest token does not allow any more', async () => {
  await write('landlord-7', ['1', '2']);
  await write('witness', 'all');
  const note = (issuedAt: number | undefined, readable: readonly string[]) =>
    store().access.note([{ userId: 'landlord-7', issuedAt, readable: () => readable }]);
  await note(undefined, ['2']);
  // An older token says nothing about now, and who has no preferences is not written down.
  await note(1, ['1', '2']);
  await store().access.note([{ userId: 'nobody', issuedAt: undefined, readable: () => 'all' }]);
  expect(await store().access.read('nobody')).toBeUndefined();
  start();
  await append(update('1'));
  await append(update('2'));
  await eventually('three alerts', async () => deliveries.length === 3);
  expect(told().sort()).toEqual(['landlord-7 2', 'witness 1', 'witness 2']);
});

it('tells a revoked user nothing more, until there is a newer token', async () => {
  await write('landlord-7', ['1']);
  await write('witness', ['1']);
  const now = Date.now() / 1_000;
  await connection.hset('belfry:{cluster}:revoked', 'user:landlord-7', JSON.stringify({ at: now, until: now + 60 }));
  start();
  await append(update('1'));
  await eventually('the witness’s alert', async () => deliveries.length === 1);
  expect(told()).toEqual(['witness 1']);
  // The revocation is forgotten once its tokens have expired; what it took is not given back.
  await connection.del('belfry:{cluster}:revoked');
  expect(await store().access.read('landlord-7')).toEqual([]);
  await store().access.note([{ userId: 'landlord-7', issuedAt: now + 5, readable: () => ['1'] }]);
  await append(update('1'));
  await eventually('both alerts', async () => deliveries.length === 3);
  expect(told().filter((line) => line === 'landlord-7 1')).toHaveLength(1);
});

it('tells of properties that came later to somebody whose rules are for all of them', async () => {
  await write('landlord-7', ['1']);
  const [first] = rules.rules;
  const narrow = { ...rules, rules: first ? [{ ...first, properties: ['1'] }] : [] };
  await write('landlord-8', ['1'], narrow);
  const note = (userId: string) => store().access.note([{ userId, issuedAt: undefined, readable: () => ['1', '2'] }]);
  await note('landlord-7');
  await note('landlord-8');
  start();
  await append(update('2'));
  await append(update('1'));
  await eventually('three alerts', async () => deliveries.length === 3);
  expect(told().sort()).toEqual(['landlord-7 1', 'landlord-7 2', 'landlord-8 1']);
  // Once there are no rules, nothing is left of them.
  await write('landlord-7', ['1', '2'], { rules: [] });
  expect(await connection.exists('belfry:{alerts}:users:2')).toBe(0);
});

it('that was frozen until somebody else went on neither sets them back nor takes their lease', async () => {
  await write('landlord-7', 'all');
  const checkpoint = 'belfry:{alerts}:checkpoint';
  const lease = 'belfry:{alerts}:lease';
  start(async (delivery) => {
    await connection.mset(lease, 'another', checkpoint, '1-9');
    deliveries.push(delivery);
  });
  await append(update('1'));
  await eventually('the alert', async () => deliveries.length === 1);
  await matcher.close();
  expect(await connection.mget(lease, checkpoint)).toEqual(['another', '1-9']);
});

it('an event that a failover lost, and that is appended again elsewhere, is told under the same id', async () => {
  await write('landlord-7', 'all');
  const log = 'belfry:{global}:log';
  const body = JSON.stringify(update('1'));
  start();
  await connection.xadd(log, '1000-1', 'd', body, 'i', '77-0');
  await eventually('the alert', async () => deliveries.length === 1);
  await connection.xdel(log, '1000-1');
  await connection.xadd(log, '2000-1', 'd', body, 'i', '77-0');
  await connection.xadd(log, '2000-2', 'd', JSON.stringify(update('1', { count: 2 })), 'i', '77-0');
  await eventually('all three', async () => deliveries.length === 3);
  const ids = deliveries.map(({ id }) => id);
  expect(ids[1]).toBe(ids[0]);
  // Another event of the same entry is another one.
  expect(ids[2]).not.toBe(ids[0]);
});

it('does not come back to what it has queued, whatever stops it behind that', async () => {
  await write('landlord-7', 'all');
  let failures = 0;
  for (const property of ['1', '2', '3']) await append(update(property));
  start(async (delivery) => {
    if (delivery.events[0]?.property_id === '3' && failures++ < 2) throw new Error('the queue takes nothing');
    deliveries.push(delivery);
  });
  await eventually('three alerts', async () => deliveries.length === 3);
  expect(told()).toEqual(['landlord-7 1', 'landlord-7 2', 'landlord-7 3']);
});
