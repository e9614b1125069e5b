import { get, type IncomingMessage } from 'node:http';
import { type Connection, connect } from '@belfry/shared/log';
import { createLogger, systemClock } from '@belfry/shared/service';
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type HttpDoor, MAX_BODY_BYTES, startHttpDoor } from '../http/server.js';
import { createBroadcastLimit } from './broadcast-limit.js';
import { createIntakeDoor } from './door.js';
import { createIntakeFloor } from './floor.js';
import { intakeRoutes, MAX_BATCH } from './routes.js';

const change = { property_id: '1012650001', violation_type: 'HPD', count: 3 };
const event = { channel: 'user:42', type: 'application_submitted', application_id: 7 };
const json = { 'content-type': 'application/json' };

let redis: TestRedis;
const opened: { close(): Promise<void> | void }[] = [];

beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
  await redis.connect().flushall();
});
afterAll(() => redis.stop());

interface DoorSettings {
  readonly tokens?: readonly string[];
  readonly url?: string;
  readonly replicas?: number;
  /** Events for many a minute, and the clock that it passes on. */
  readonly broadcasts?: number;
  readonly now?: () => number;
}

async function open(settings: DoorSettings = {}): Promise<HttpDoor> {
  const { broadcasts = 1_000, now = systemClock.now, tokens = [], url = redis.url, replicas = 0 } = settings;
  const connection: Connection = connect({ url, name: 'test', resend: false, onError: () => undefined });
  const door = createIntakeDoor({
    floor: createIntakeFloor({
      stream: 'belfry:intake',
      logger: createLogger('test', 'silent'),
      onRaised: () => undefined,
    }),
    connection,
    prefix: 'belfry',
    clock: systemClock,
    waitMs: 200,
    replicas,
    replicasMs: 50,
  });
  // The door waits for a connection no longer than `waitMs`.
  await connection.ping();
  const http = await startHttpDoor({
    host: '127.0.0.1',
    port: 0,
    tokens: () => tokens,
    routes: intakeRoutes(door, () => undefined, createBroadcastLimit({ burst: broadcasts, windowMs: 60_000 }, now)),
    logger: createLogger('test', 'silent'),
    onRefused: () => undefined,
  });
  opened.push({ close: () => connection.disconnect() }, http);
  return http;
}

async function post(http: HttpDoor, path: string, body: unknown, headers: Record<string, string> = json) {
  const text = typeof body === 'string' || body instanceof Blob ? body : JSON.stringify(body);
  const response = await fetch(`http://127.0.0.1:${http.port}${path}`, { method: 'POST', headers, body: text });
  return { status: response.status, headers: response.headers, body: await response.json() };
}

const entries = () => redis.connect().xrange('belfry:intake', '-', '+');

describe('POST /v1/changes', () => {
  it('answers 202 with the ids under which Redis holds the changes', async () => {
    const http = await open();
    const one = await post(http, '/v1/changes', change);
    const many = await post(http, '/v1/changes', [change, { ...change, count: 4 }]);
    const wrapped = await post(http, '/v1/changes', { changes: [{ ...change, count: 5 }] });
    expect([one.status, many.status, wrapped.status]).toEqual([202, 202, 202]);
    const stored = await entries();
    expect(stored.map(([id]) => id)).toEqual([...one.body.ids, ...many.body.ids, ...wrapped.body.ids]);
    expect(stored.map(([, fields]) => JSON.parse(fields[1] ?? '').count)).toEqual([3, 3, 4, 5]);
    expect(many.body.accepted).toBe(2);
  });

  it('takes 10,000 at once, in their order', async () => {
    const http = await open();
    const { status, body } = await post(
      http,
      '/v1/changes',
      Array.from({ length: MAX_BATCH }, (_, count) => ({ ...change, count })),
    );
    expect(status).toBe(202);
    expect(body.accepted).toBe(MAX_BATCH);
    const stored = await entries();
    expect(stored.every(([, fields], n) => JSON.parse(fields[1] ?? '').count === n)).toBe(true);
  });

  it.each([
    ['changes', change],
    ['events', event],
  ])('gives every item of a batch an idempotency key of its own: %s', async (reports, report) => {
    const http = await open();
    await post(http, `/v1/${reports}`, report, { ...json, 'idempotency-key': 'alone' });
    await post(http, `/v1/${reports}`, [report, report], { ...json, 'idempotency-key': 'batch' });
    expect((await entries()).map(([, fields]) => fields.slice(2))).toEqual([
      ['key', 'alone'],
      ['key', 'batch\u001f0'],
      ['key', 'batch\u001f1'],
    ]);
  });

  it('keeps the keys of a batch’s items apart from all that requests may have', async () => {
    const http = await open();
    await post(http, '/v1/changes', [change, change], { ...json, 'idempotency-key': 'order-7' });
    for (const key of ['order-7:0', 'order-7#1', 'order-70']) {
      expect((await post(http, '/v1/changes', change, { ...json, 'idempotency-key': key })).status).toBe(202);
    }
    const keys = (await entries()).map(([, fields]) => fields[3] ?? '');
    expect(new Set(keys).size).toBe(5);
    // Printable ASCII is what a request's key is made of.
    for (const key of keys.slice(0, 2)) expect(key).not.toMatch(/^[\x21-\x7e]*$/);
  });

  it.each([
    ['/v1/changes', { events: [] }],
    ['/v1/changes', { events: [event] }],
    ['/v1/changes', [event]],
    ['/v1/events', { changes: [change] }],
    ['/v1/events', change],
  ])('and /v1/events say where to send what was meant for the other: to %s came %j', async (path, body) => {
    const http = await open();
    const [reports, other] = path === '/v1/changes' ? ['events', '/v1/events'] : ['changes', '/v1/changes'];
    expect(await post(http, path, body)).toMatchObject({
      status: 400,
      body: { code: 'bad_request', message: `${reports} go to ${other}; this is ${path}` },
    });
  });

  it('and /v1/events take fields of their reports that are named like the other’s lists', async () => {
    const http = await open();
    expect((await post(http, '/v1/events', { ...event, changes: [1] })).status).toBe(202);
    expect((await post(http, '/v1/changes', { ...change, events: [1] })).status).toBe(202);
    const wrong = await post(http, '/v1/events', { ...event, type: '', changes: [1] });
    expect(wrong.body.message).toMatch(/^type: /);
  });

  it('passes on only the fields that a change has', async () => {
    const http = await open();
    await post(http, '/v1/changes', { ...change, respondent_name: 'somebody' });
    expect((await entries())[0]?.[1]).toEqual(['change', JSON.stringify(change)]);
  });

  it('refuses a whole batch for one wrong item, and says which', async () => {
    const http = await open();
    const refused = await post(http, '/v1/changes', [change, { ...change, count: -1 }]);
    expect(refused).toMatchObject({ status: 400, body: { code: 'bad_request', index: 1 } });
    expect(refused.body.message).toMatch(/^count: /);
    expect(await entries()).toEqual([]);
  });

  it.each<[string, unknown, Record<string, string>, number, string]>([
    ['no JSON', '{"property_id":', json, 400, 'bad_request'],
    ['an empty list', [], json, 400, 'bad_request'],
    ['too many items', Array(MAX_BATCH + 1).fill(1), json, 400, 'bad_request'],
    ['no object', '"text"', json, 400, 'bad_request'],
    ['an unusable key', change, { ...json, 'idempotency-key': 'with space' }, 400, 'bad_request'],
    ['a form', 'a=b', { 'content-type': 'application/x-www-form-urlencoded' }, 415, 'unsupported_media_type'],
    ['a compressed body', change, { ...json, 'content-encoding': 'gzip' }, 415, 'unsupported_media_type'],
    ['a body that is too large', `"${'x'.repeat(MAX_BODY_BYTES)}"`, json, 413, 'too_large'],
  ])('refuses %s', async (_, body, headers, status, code) => {
    const http = await open();
    expect(await post(http, '/v1/changes', body, headers)).toMatchObject({ status, body: { code } });
    expect(await entries()).toEqual([]);
  });

  it('refuses a body that is not UTF-8, and changes nothing in one that is', async () => {
    const http = await open();
    const text = JSON.stringify({ ...change, message: 'Café' });
    const latin1 = new Blob([Buffer.from(text, 'latin1')]);
    expect(await post(http, '/v1/changes', latin1)).toMatchObject({
      status: 400,
      body: { code: 'bad_request', message: expect.stringContaining('UTF-8') },
    });
    expect(await entries()).toEqual([]);
    expect((await post(http, '/v1/changes', text)).status).toBe(202);
    expect((await entries()).map(([, fields]) => JSON.parse(fields[1] ?? '').message)).toEqual(['Café']);
  });

  it('refuses a body that turns out too large on the way', async () => {
    const http = await open();
    const chunk = Buffer.alloc(64 * 1024, 'x');
    let sent = 0;
    const body = new ReadableStream({
      pull(controller) {
        sent += chunk.length;
        if (sent > MAX_BODY_BYTES + chunk.length) controller.close();
        else controller.enqueue(chunk);
      },
    });
    const request = { method: 'POST', headers: json, body, duplex: 'half' } as RequestInit;
    expect((await fetch(`http://127.0.0.1:${http.port}/v1/changes`, request)).status).toBe(413);
  });

  it('says what there is instead of a wrong path or method', async () => {
    const http = await open();
    expect(await post(http, '/v2/changes', change)).toMatchObject({ status: 404, body: { code: 'not_found' } });
    const response = await fetch(`http://127.0.0.1:${http.port}/v1/changes`);
    expect(response.status).toBe(405);
    expect(response.headers.get('allow')).toBe('POST');
  });

  it('knows no path that begins with two slashes, whatever follows', async () => {
    const http = await open();
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      get({ host: '127.0.0.1', port: http.port, path: '//a/v1/changes' }, resolve).once('error', reject);
    });
    response.resume();
    expect(response.statusCode).toBe(404);
  });
});

describe('POST /v1/events', () => {
  it('takes any event to any channel', async () => {
    const http = await open();
    expect((await post(http, '/v1/events', event)).status).toBe(202);
    expect((await post(http, '/v1/events', { events: [event] })).status).toBe(202);
    expect((await entries()).map(([, [name, text]]) => [name, JSON.parse(text ?? '')])).toEqual([
      ['event', event],
      ['event', event],
    ]);
  });

  it('refuses a channel that does not exist', async () => {
    const http = await open();
    expect(await post(http, '/v1/events', { channel: 'room:1', type: 'a' })).toMatchObject({
      status: 400,
      body: { code: 'bad_request', message: expect.stringMatching(/^channel: /) },
    });
  });
});

describe('events for many', () => {
  const toAll = { channel: 'role:everyone', type: 'maintenance' };
  const toOne = { channel: 'user:42', type: 'application_submitted' };
  const count = async () => (await entries()).length;

  it('are as many a minute as are allowed: beyond it nothing is accepted, and the answer says when to come again', async () => {
    let now = 0;
    const http = await open({ broadcasts: 6, now: () => now });
    for (let n = 0; n < 6; n += 1) expect((await post(http, '/v1/events', toAll)).status).toBe(202);
    const refused = await post(http, '/v1/events', [toOne, { ...toAll, channel: 'global' }]);
    expect(refused).toMatchObject({ status: 429, body: { code: 'rate_limited' } });
    expect(refused.headers.get('retry-after')).toBe('10');
    expect(await count()).toBe(6);
    // What is for one user, or of one property, has nothing to do with it.
    expect((await post(http, '/v1/events', toOne)).status).toBe(202);
    expect((await post(http, '/v1/changes', change)).status).toBe(202);
    now = 10_000;
    expect((await post(http, '/v1/events', toAll)).status).toBe(202);
    expect(await count()).toBe(9);
  });

  it('may come in a longer list, which is paid for afterwards', async () => {
    let now = 0;
    const http = await open({ broadcasts: 6, now: () => now });
    expect((await post(http, '/v1/events', Array(12).fill(toAll))).status).toBe(202);
    now = 60_000;
    expect((await post(http, '/v1/events', toAll)).status).toBe(429);
    now = 70_000;
    expect((await post(http, '/v1/events', toAll)).status).toBe(202);
  });

  it('cost nothing where Redis did not take them', async () => {
    const http = await open({ broadcasts: 1, replicas: 1 });
    for (let n = 0; n < 3; n += 1) expect((await post(http, '/v1/events', toAll)).status).toBe(503);
  });
});

describe('the token', () => {
  it('is asked for where there is one', async () => {
    const http = await open({ tokens: ['a-token-that-nobody-guesses', 'the-one-before'] });
    const wrong = await post(http, '/v1/changes', change, { ...json, authorization: 'Bearer another' });
    expect(wrong).toMatchObject({ status: 401, body: { code: 'unauthorized' } });
    expect(wrong.headers.get('www-authenticate')).toBe('Bearer');
    expect((await post(http, '/v1/changes', change)).status).toBe(401);
    // While it is being replaced, the one before is good too.
    for (const token of ['a-token-that-nobody-guesses', 'the-one-before']) {
      const right = { ...json, authorization: `Bearer ${token}` };
      expect((await post(http, '/v1/changes', change, right)).status).toBe(202);
    }
  });
});

describe('while Redis is away', () => {
  it('answers 503 with Retry-After, soon, and takes changes again once it is back', async () => {
    const mortal = await startRedis();
    opened.push({ close: () => mortal.stop() });
    const http = await open({ url: mortal.url });
    expect((await post(http, '/v1/changes', change)).status).toBe(202);
    await mortal.kill();
    const started = performance.now();
    const refused = await post(http, '/v1/changes', change);
    expect(refused).toMatchObject({ status: 503, body: { code: 'unavailable' } });
    expect(refused.headers.get('retry-after')).toBe('1');
    // A command that waits for its answer gives up after five seconds.
    expect(performance.now() - started).toBeLessThan(4_000);
    await mortal.start();
    await eventually('change accepted', async () => (await post(http, '/v1/changes', change)).status === 202);
    // What was refused is not written later, behind the back of who was told so.
    expect(await mortal.connect().xlen('belfry:intake')).toBe(1);
  });

  it('answers 503 where too few replicas hold the change', async () => {
    const http = await open({ replicas: 1 });
    expect(await post(http, '/v1/changes', change)).toMatchObject({ status: 503, body: { code: 'unavailable' } });
  });
});
