/** A gateway that was warmed up: it has served nobody, and knows nobody. */
import { startGateway, startRedis, type TestGateway, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';

const CLIENTS = 150;

let redis: TestRedis;
/** Narrow limits: they are for others. */
const LIMITS = { MAX_CONNECTIONS: '3', RATE_LIMIT_PER_IP: '1', RATE_LIMIT_MESSAGES: '1', MAX_SUBSCRIPTIONS: '1' };
let gateway: TestGateway;

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGateway({
    REDIS_URL: redis.url,
    AUTO_JOIN: 'user,role,properties',
    WARM_UP_CLIENTS: String(CLIENTS),
    ...LIMITS,
  });
});
afterAll(async () => {
  await gateway.stop();
  await redis.stop();
});

const metric = async (name: string): Promise<string[]> =>
  (await (await fetch(`${gateway.operatorUrl}/metrics`)).text()).split('\n').filter((line) => line.startsWith(name));

it('has served its own clients before it listens, whatever limits there are for others', () => {
  expect(gateway.logs().map(({ msg, clients }) => [msg, clients])).toContainEqual(['warmed up', CLIENTS]);
});

it('has counted none of them', async () => {
  expect(await metric('websocket_connections_total')).toEqual([]);
  expect(await metric('websocket_messages_total')).toEqual([]);
  expect(await metric('websocket_active_connections')).toEqual(['websocket_active_connections 0']);
  expect(await metric('belfry_channels')).toEqual(['belfry_channels 0']);
});

it('has told Redis nothing of them', async () => {
  const connection = redis.connect();
  expect(await connection.keys('*client-*')).toEqual([]);
  expect(await connection.keys('*property:*')).toEqual([]);
  expect(await connection.call('PUBSUB', 'SHARDCHANNELS', '*property:*')).toEqual([]);
});

it('serves who comes then, within their limits', async () => {
  const first = await fetch(`${gateway.url}/v1/state?channel=global`);
  expect(first.status).toBe(401);
  expect((await fetch(`${gateway.url}/v1/state?channel=global`)).status).toBe(429);
});
