/** Each process has a user of its own at Redis, with the commands it needs and no other: `deploy/redis/users.acl`. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  connect,
  mintToken,
  ownFolder,
  startGateway,
  startPublisher,
  startRedis,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ROOT } from '../../scripts/setup.mjs';

const folder = ownFolder('acl');
const users = readFileSync(join(ROOT, 'deploy/redis/users.acl'), 'utf8');
let redis: TestRedis;
let gateways: TestGateway[];
let publisher: TestProcess;

beforeAll(async () => {
  const file = join(folder.path, 'users.acl');
  // An administrator of the test's own, to look at what was refused.
  writeFileSync(file, `${users}user administrator on >administrator ~* &* +@all\n`);
  redis = await startRedis({ args: ['--aclfile', file] });
  const as = (user: string, password: string) => `redis://${user}:${password}@127.0.0.1:${redis.port}/0`;
  const gateway = as('belfry-gateway', 'GATEWAY_PASSWORD');
  gateways = await Promise.all([
    startGateway({ REDIS_URL: gateway, NODE_NAME: 'a' }),
    startGateway({ REDIS_URL: gateway, NODE_NAME: 'b' }),
  ]);
  publisher = await startPublisher({
    REDIS_URL: as('belfry-publisher', 'PUBLISHER_PASSWORD'),
    SOURCES_ENABLED: 'true',
    NYC_BASE_URL: 'http://127.0.0.1:1',
  });
});
afterAll(async () => {
  await Promise.all([...(gateways ?? []), publisher].map((each) => each?.stop()));
  await redis?.stop();
  await folder.remove();
});

const administrator = () => redis.connect({ username: 'administrator', password: 'administrator' });

it('what a cluster does works with them: changes, replays, snapshots, tickets, preferences, operators, revocations', async () => {
  const [a, b] = gateways as [TestGateway, TestGateway];
  const token = mintToken({ user_id: 'landlord-7', role: 'LANDLORD', properties: ['1'] });
  const client = await connect(a.wsUrl, { token });
  client.send({ type: 'SUBSCRIBE', property_id: '1' });
  const { id } = await client.next('SUBSCRIBED');
  const post = (path: string, body: unknown) =>
    fetch(`${publisher.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'idempotency-key': path },
      body: JSON.stringify(body),
    });
  expect((await post('/v1/changes', { property_id: '1', violation_type: 'HPD', count: 2 })).status).toBe(202);
  expect(await client.next('VIOLATION_UPDATE')).toMatchObject({ count: 2 });
  const document = { channel: 'state:sources', type: 'STATE_UPDATE', key: 'k', document: { a: 1 } };
  expect((await post('/v1/events', document)).status).toBe(202);
  const later = await connect(b.wsUrl, { token });
  later.send({ type: 'SUBSCRIBE', channels: ['property:1', 'state:sources'], after: { 'property:1': id } });
  expect(await later.next('SUBSCRIBED', ({ channel }) => channel === 'property:1')).toMatchObject({ recovered: true });
  later.send({ type: 'GET_STATE', property_id: '1' });
  await later.next('STATE', ({ channel }) => channel === 'property:1');
  const headers = { authorization: `Bearer ${token}` };
  const call = (path: string, init: RequestInit = {}) => fetch(`${b.url}${path}`, { headers, ...init });
  expect((await call('/v1/tickets', { method: 'POST' })).status).toBe(201);
  expect((await call('/v1/preferences', { method: 'PUT', body: '{"rules":[]}' })).status).toBe(200);
  expect((await call('/v1/preferences')).status).toBe(200);
  expect((await call('/v1/events?channel=property:1')).status).toBe(200);
  expect((await a.operate('/ws/stats')).status).toBe(200);
  expect(
    (await a.operate('/ws/notify-user', { body: { user_id: 'landlord-7', type: 'note', message: 'x' } })).status,
  ).toBeLessThan(500);
  expect(
    (await a.operate('/ws/disconnect-user', { body: { user_id: 'landlord-7', revoke: true } })).status,
  ).toBeLessThan(500);
  await later.closed;
  // Jobs of the publisher have begun, or would have been refused by now.
  expect((await fetch(`${publisher.operatorUrl}/readyz`)).status).toBe(200);
  const refused = (await administrator().call('ACL', 'LOG')) as unknown[];
  expect(refused.map((each) => JSON.stringify(each))).toEqual([]);
  for (const process of [...gateways, publisher]) expect(process.output()).not.toContain('NOPERM');
});

it.each([
  [
    'belfry-gateway',
    'GATEWAY_PASSWORD',
    [
      'flushall',
      'config get *',
      'keys *',
      'acl list',
      'shutdown',
      'psubscribe *',
      'subscribe x',
      'get other',
      'set other 1',
      'spublish other x',
      'script flush',
      'client list',
      'replicaof no one',
      'monitor',
      'module list',
      'function list',
      'sort belfry:x',
    ],
  ],
  [
    'belfry-publisher',
    'PUBLISHER_PASSWORD',
    [
      'flushall',
      'config get *',
      'keys *',
      'acl list',
      'shutdown',
      'psubscribe *',
      'get other',
      'set other 1',
      'script flush',
      'replicaof no one',
      'monitor',
      'module list',
      'function list',
      'migrate h 1 k 0 1',
    ],
  ],
  [
    'belfry-service',
    'SERVICE_PASSWORD',
    [
      'get belfry:intake',
      'xrange belfry:intake - +',
      'xtrim belfry:intake maxlen 0',
      'del belfry:intake',
      'xadd belfry:{property:1}:log * d {}',
      'eval return 1 0',
      'flushall',
    ],
  ],
])('%s is refused everything else', async (username, password, commands) => {
  const connection = redis.connect({ username, password, enableReadyCheck: false });
  for (const line of commands) {
    const [command = '', ...args] = line.split(' ');
    await expect(connection.call(command, ...args), line).rejects.toThrow(/NOPERM/);
  }
});

it('a service may write to the intake, and nobody comes in without a name', async () => {
  const service = redis.connect({ username: 'belfry-service', password: 'SERVICE_PASSWORD', enableReadyCheck: false });
  expect(
    await service.xadd('belfry:intake', '*', 'change', '{"property_id":"1","violation_type":"HPD","count":2}'),
  ).toMatch(/-/);
  await expect(redis.connect({ enableReadyCheck: false }).get('belfry:x')).rejects.toThrow(/NOAUTH/);
});
