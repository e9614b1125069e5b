/** Redis is not trusted: what somebody else wrote under our keys is skipped and counted, and holds up nobody else. */
import { clusterKeys, DEFAULT_KEY_PREFIX } from '@belfry/shared/log';
import { presenceKeys } from '@belfry/shared/presence';
import {
  connect,
  eventually,
  mintToken,
  startGateway,
  startPublisher,
  startRedis,
  TEST_SECRET,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';

const token = mintToken({ user_id: 'landlord-7', role: 'LANDLORD', properties: ['1', '2'] });
const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
let redis: TestRedis;
let gateway: TestGateway;
let publisher: TestProcess;

beforeAll(async () => {
  redis = await startRedis();
  [gateway, publisher] = await Promise.all([
    startGateway({ REDIS_URL: redis.url }),
    startPublisher({ REDIS_URL: redis.url, JWT_SECRET: TEST_SECRET, PUBLISHER_TOKEN: 'for-services' }),
  ]);
});
afterAll(async () => {
  await Promise.all([gateway, publisher].map((each) => each?.stop()));
  await redis?.stop();
});

const skipped = async (process: { operatorUrl: string }, place: string): Promise<number> => {
  const text = await (await fetch(`${process.operatorUrl}/metrics`)).text();
  return Number(new RegExp(`^belfry_foreign_total\\{place="${place}"\\} (\\S+)`, 'm').exec(text)?.[1]);
};

it('entries, facts, dead letters: a publisher works on beside foreign ones', async () => {
  const client = await connect(gateway.wsUrl, { token });
  client.send({ type: 'SUBSCRIBE', property_ids: ['1', '2'] });
  await client.take(2, 'SUBSCRIBED');
  const keys = redis.connect();
  await keys.set('belfry:intake:dead', 'no stream');
  await keys.hset('belfry:{property:1}:facts', 'HPD', 'no facts');
  await keys.xadd('belfry:{property:2}:log', `${Date.now() + 60_000}-1`, 'foreign', '1');
  const change = (property: string) => JSON.stringify({ property_id: property, violation_type: 'HPD', count: 2 });
  for (const body of ['no JSON', '{}', change('1'), change('2')]) await keys.xadd('belfry:intake', '*', 'change', body);
  for (const property of ['1', '2']) {
    await client.next('VIOLATION_UPDATE', (frame) => frame.property_id === property, { deadlineMs: 15_000 });
  }
  expect(await skipped(publisher, 'fact')).toBeGreaterThan(0);
  // What could not be kept is in the log.
  await eventually('a line for a dead letter', () => publisher.output().includes('no JSON'));
  client.socket.terminate();
});

it('portfolios and preferences: their user gets an empty one', async () => {
  const keys = redis.connect();
  for (const foreign of ['no JSON', 'null', '{"properties":7}']) {
    await keys.set('belfry:{portfolio:landlord-7}', foreign);
    await keys.hset('belfry:{alerts}:preferences', 'landlord-7', foreign);
    expect((await fetch(`${publisher.url}/v1/portfolio`, { headers })).status).toBeLessThan(500);
    expect((await fetch(`${gateway.url}/v1/preferences`, { headers })).status).toBeLessThan(500);
  }
  expect(await skipped(publisher, 'portfolio')).toBeGreaterThanOrEqual(3);
});

it('gateways and presence: operators see those that are there', async () => {
  const keys = redis.connect();
  const cluster = clusterKeys(DEFAULT_KEY_PREFIX);
  await keys.zadd(cluster.nodes, `${Date.now()}`, 'foreign-1', `${Date.now()}`, 'foreign-2');
  await keys.set(cluster.node('foreign-1'), 'no JSON');
  await keys.set(cluster.node('foreign-2'), '{"node":7}');
  expect((await gateway.operate('/ws/nodes')).status).toBeLessThan(500);
  expect((await gateway.operate('/ws/stats')).status).toBe(200);
  expect(await skipped(gateway, 'node')).toBeGreaterThanOrEqual(2);
  const presence = presenceKeys(DEFAULT_KEY_PREFIX);
  const [node = ''] = await keys.zrange(presence.nodes, '0', '-1');
  await keys.hset(presence.usersOf + node, 'ghost', 'since when', 'ghost-2', '');
  expect((await gateway.operate('/ws/presence?user=ghost')).status).toBeLessThan(500);
  expect(gateway.output()).not.toContain('"fatal"');
});
