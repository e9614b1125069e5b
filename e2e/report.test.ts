/** What services report with `@belfry/shared/report`, through both doors, to real processes; and that it counts once. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { inspect } from 'node:util';
import {
  createRedisReporter,
  createReporter,
  type Reporter,
  ReportRefused,
  ReportUnavailable,
} from '@belfry/shared/report';
import {
  connect,
  freePort,
  mintToken,
  startGateway,
  startPublisher,
  startRedis,
  type TestClient,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { ROOT } from '../scripts/setup.mjs';
import { startOutside } from './outside-tools.js';

const TOKEN = 'a token for publishing, long enough for anybody';
let redis: TestRedis;
let gateway: TestGateway;
let publisher: TestProcess;
const clients: TestClient[] = [];
const servers: Server[] = [];

beforeAll(async () => {
  redis = await startRedis();
  const env = { REDIS_URL: redis.url };
  [gateway, publisher] = await Promise.all([
    startGateway({ ...env, ACCESS_POLICY: 'authenticated', BOARD_READERS: 'tasks:*', BOARD_INTERVALS_MS: '*:0' }),
    startPublisher({ ...env, PUBLISHER_TOKEN: TOKEN }),
  ]);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.terminate();
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), publisher?.stop()]);
  await redis?.stop();
});

async function landlord(...channels: string[]): Promise<TestClient> {
  const client = await connect(gateway.wsUrl, { token: mintToken({ user_id: 'landlord-7', role: 'LANDLORD' }) });
  clients.push(client);
  client.send({ type: 'SUBSCRIBE', channels: ['user:landlord-7', 'role:landlord', ...channels] });
  await client.take(2 + channels.length, 'SUBSCRIBED');
  return client;
}

const doors: [string, () => Reporter][] = [
  ['HTTP', () => createReporter({ url: publisher.url, token: TOKEN })],
  ['Redis', () => createRedisReporter({ redis: redis.connect() })],
];

describe.each(doors)('through %s', (door, open) => {
  it('reaches users, roles, properties, everybody and boards', async () => {
    const reporter = open();
    const property = `report-${door}`;
    const client = await landlord(`property:${property}`, 'role:everyone', 'state:tasks');
    await client.next('STATE');
    await reporter.notifyUser('landlord-7', { message: 'to the user', unit: '4B' });
    expect(await client.next('NOTIFICATION')).toMatchObject({
      channel: 'user:landlord-7',
      message: 'to the user',
      severity: 'info',
      unit: '4B',
    });
    await reporter.notifyRole('LANDLORD', { message: 'to the role', severity: 'high', type: 'inspection' });
    expect(await client.next('inspection')).toMatchObject({ channel: 'role:landlord', severity: 'high' });
    await reporter.notifyProperty(property, { message: 'to the property' });
    expect(await client.next('NOTIFICATION')).toMatchObject({ channel: `property:${property}` });
    await reporter.systemNotification({ message: 'to all', severity: 'critical' });
    expect(await client.next('SYSTEM_NOTIFICATION')).toMatchObject({ channel: 'role:everyone', severity: 'critical' });
    await reporter.systemNotification({ message: 'to some', severity: 'low', role: 'landlord' });
    expect(await client.next('SYSTEM_NOTIFICATION')).toMatchObject({
      channel: 'role:landlord',
      target_role: 'landlord',
    });
    await reporter.application({ user: 'landlord-7' }, 'approved', { application_id: 'a-1042' });
    expect(await client.next('application_approved')).toMatchObject({ application_id: 'a-1042' });
    await reporter.onboarding('landlord-7', 'step_completed', { step: 'documents' });
    expect(await client.next('onboarding_step_completed')).toMatchObject({ step: 'documents' });
    await reporter.changes({ property_id: property, violation_type: 'HPD', count: 3 });
    expect(await client.next('VIOLATION_UPDATE')).toMatchObject({ property_id: property, count: 3 });
    const tasks = reporter.board('tasks');
    await tasks.setDocument(door, { status: 'open' });
    expect(await client.next('STATE_UPDATE')).toMatchObject({ key: door, document: { status: 'open' } });
    await tasks.patch(door, { status: 'done' });
    expect(await client.next('STATE_UPDATE')).toMatchObject({ key: door, document: { status: 'done' } });
    await tasks.remove(door);
    expect(await client.next('STATE_UPDATE')).toMatchObject({ key: door, removed: true });
  });

  it('reports many at once, in their order', async () => {
    const property = `many-${door}`;
    const client = await landlord(`property:${property}`);
    const changes = Array.from({ length: 120 }, (_, n) => ({
      property_id: property,
      violation_type: 'HPD',
      count: n + 1,
    }));
    await open().changes(changes);
    const events = await client.take(120, 'VIOLATION_UPDATE');
    expect(events.map(({ count }) => count)).toEqual(changes.map(({ count }) => count));
  });

  it('has an effect once with one key, and another one with another key', async () => {
    const client = await landlord();
    const reporter = open();
    for (const key of ['k1', 'k1', 'k2']) {
      await reporter.notifyUser('landlord-7', { message: key }, { key: `${door}-${key}` });
    }
    expect((await client.take(2, 'NOTIFICATION')).map(({ message }) => message)).toEqual(['k1', 'k2']);
    await client.settled();
    expect(client.pending('NOTIFICATION')).toEqual([]);
  });

  it('takes a part of many for no report under a key that looks like the part’s', async () => {
    const property = `parts-${door}`;
    const client = await landlord(`property:${property}`);
    const change = { property_id: property, violation_type: 'HPD' };
    const many = Array.from({ length: 60 }, (_, n) => ({ ...change, count: n + 1 }));
    await open().changes(many, { key: `${door}-order` });
    await open().changes({ ...change, count: 100 }, { key: `${door}-order:0` });
    expect((await client.take(61, 'VIOLATION_UPDATE')).at(-1)).toMatchObject({ count: 100 });
  });

  it('refuses names that no channel can have', async () => {
    await expect(open().notifyUser('a b', { message: 'no' })).rejects.toThrow(RangeError);
    await expect(open().board('*').remove('a')).rejects.toThrow(RangeError);
  });
});

describe('over HTTP', () => {
  /** Passes requests on; what `fail` says instead of the publisher's answer is what the reporter sees. */
  async function proxy(fail: (request: number) => 'lost' | number | undefined) {
    const keys: (string | undefined)[] = [];
    const server = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk as Buffer);
      keys.push(request.headers['idempotency-key'] as string);
      const failure = fail(keys.length);
      if (typeof failure === 'number') return response.writeHead(failure, { 'retry-after': '0' }).end('<html>');
      const answer = await fetch(`${publisher.url}${request.url}`, {
        method: 'POST',
        headers: Object.fromEntries(
          ['content-type', 'authorization', 'idempotency-key'].map((name) => [name, String(request.headers[name])]),
        ),
        body: Buffer.concat(chunks),
      });
      if (failure === 'lost') return response.destroy();
      return response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
    });
    servers.push(server);
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return { keys, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  }

  it('repeats what was not answered with the same key, and it counts once', async () => {
    const client = await landlord();
    const { keys, url } = await proxy(
      (request) => [undefined, 503, 'lost', 'lost', 429][request] as 'lost' | undefined,
    );
    const ids = await createReporter({ url, token: TOKEN }).notifyUser('landlord-7', { message: 'once' });
    expect(ids).toHaveLength(1);
    expect(keys).toHaveLength(5);
    expect(new Set(keys).size).toBe(1);
    await createReporter({ url, token: TOKEN }).notifyUser('landlord-7', { message: 'another' });
    expect((await client.take(2, 'NOTIFICATION')).map(({ message }) => message)).toEqual(['once', 'another']);
    expect(new Set(keys).size).toBe(2);
  });

  it('would count three times with another key each time', async () => {
    const client = await landlord();
    const reporter = createReporter({ url: publisher.url, token: TOKEN });
    for (let n = 0; n < 3; n += 1) await reporter.notifyUser('landlord-7', { message: 'again' });
    expect(await client.take(3, 'NOTIFICATION')).toHaveLength(3);
  });

  it('gives up in the end, and says with which key to report again', async () => {
    const { url } = await proxy(() => 503);
    const report = createReporter({ url, token: TOKEN, giveUpAfterMs: 300 }).broadcast(
      { message: 'no' },
      { key: 'mine' },
    );
    await expect(report).rejects.toThrow(ReportUnavailable);
    await expect(report).rejects.toMatchObject({ key: 'mine' });
  });

  it('says at which address nobody was, and what the system said of it', async () => {
    const url = `http://127.0.0.1:${await freePort()}`;
    const report = createReporter({ url, token: TOKEN, giveUpAfterMs: 0 }).broadcast({ message: 'no' });
    await expect(report).rejects.toThrow(`not taken: no answer of ${url}/v1/events: connect ECONNREFUSED 127.0.0.1:`);
    await expect(report).rejects.toThrow(ReportUnavailable);
  });

  it('says which address did not answer in time, or hung up', async () => {
    const silent = createServer(({ url: path }, response) => void (path === '/v1/events' && response.destroy()));
    servers.push(silent);
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const url = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const reporter = createReporter({ url, attemptMs: 100, giveUpAfterMs: 0 });
    const change = { property_id: '1', violation_type: 'HPD', count: 1 };
    await expect(reporter.changes(change)).rejects.toThrow(/ no answer of http:.+\/v1\/changes: .+timeout/);
    await expect(reporter.broadcast({ message: 'no' })).rejects.toThrow(
      / no answer of http:.+\/v1\/events: other side/,
    );
  });

  it('shows nobody what the address has for a password', async () => {
    const report = createReporter({ url: 'http://service:hidden@127.0.0.1:1', giveUpAfterMs: 0 });
    const failure: Error = await report.broadcast({ message: 'no' }).then(
      () => new Error('taken'),
      (error) => error,
    );
    expect(failure.message).toMatch(/ no answer of http:\/\/127\.0\.0\.1:1\/v1\/events: /);
    expect(inspect(failure)).not.toContain('hidden');
  });

  it('does not repeat what is refused', async () => {
    const { keys, url } = await proxy(() => undefined);
    const reporter = createReporter({ url, token: TOKEN });
    const change = { property_id: '1', violation_type: 'HPD', count: 1 };
    const refused = reporter.changes([change, { ...change, count: -1 }]);
    await expect(refused).rejects.toThrow(ReportRefused);
    await expect(refused).rejects.toMatchObject({ code: 'bad_request', index: 1 });
    await expect(createReporter({ url, token: 'wrong' }).changes(change)).rejects.toMatchObject({
      code: 'unauthorized',
    });
    expect(keys).toHaveLength(2);
  });
});

describe('through Redis', () => {
  it('repeats what was not answered with the same key, and it counts once', async () => {
    const client = await landlord();
    const connection = redis.connect();
    let calls = 0;
    const reporter = createRedisReporter({
      redis: {
        async xadd(...args) {
          const id = await connection.xadd(...args);
          calls += 1;
          if (calls < 4) throw new Error('the answer was lost');
          return id;
        },
      },
    });
    await reporter.notifyUser('landlord-7', { message: 'once' });
    await reporter.notifyUser('landlord-7', { message: 'another' });
    expect((await client.take(2, 'NOTIFICATION')).map(({ message }) => message)).toEqual(['once', 'another']);
    expect(calls).toBe(5);
  });
});

describe('docs/publishing.md', () => {
  it('reports from Node as written', async () => {
    const client = await landlord('property:1012650001', 'state:tasks');
    const text = readFileSync(join(ROOT, 'docs/publishing.md'), 'utf8');
    const code = /<!-- test: reporter -->\n```js\n([\s\S]*?)```/.exec(text)?.[1] ?? '';
    const program = startOutside(process.execPath, ['--input-type=module'], {
      input: code.replace('8770', String(publisher.port)),
      env: { PUBLISHER_TOKEN: TOKEN },
    });
    expect(await program.ended, program.output()).toBe(0);
    for (const type of ['VIOLATION_UPDATE', 'NOTIFICATION', 'application_submitted', 'onboarding_completed']) {
      await client.next(type);
    }
    await client.next('STATE_UPDATE', ({ document, patch }) => (document ?? patch)?.status === 'done');
  });
});
