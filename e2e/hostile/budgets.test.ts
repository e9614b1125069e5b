/** What one user, one address, and everybody together may cost a gateway. Each limit is shown by who keeps within it, too. */
import {
  connect,
  eventually,
  mintToken,
  openTestLog,
  startGateway,
  startPublisher,
  startRedis,
  TEST_SECRET,
  type TestClient,
  type TestGateway,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { open, openWebSocket } from './raw.js';

let redis: TestRedis;
let gateway: TestGateway;
const clients: TestClient[] = [];
const user = (id: string, more: Record<string, unknown> = {}) => mintToken({ user_id: id, properties: '*', ...more });
const bearer = (token: string) => ({ authorization: `Bearer ${token}` });

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGateway({
    REDIS_URL: redis.url,
    ACCESS_POLICY: 'authenticated',
    MAX_UNAUTHENTICATED: '5',
    MAX_UNAUTHENTICATED_PER_IP: '3',
    // So long that hardly anything comes back while a test uses a budget up on a slow machine; to an address something does
    // within a second: who is further beyond its budget is not answered any more. So every test has addresses of its own.
    RATE_LIMIT_WINDOW_SECONDS: '240',
    RATE_LIMIT_REQUESTS: '10',
    RATE_LIMIT_PER_IP: '300',
    RATE_LIMIT_REPLAYED_EVENTS: '100',
    RATE_LIMIT_OPENED_CHANNELS: '50',
    TRUSTED_PROXIES: '127.0.0.9',
    LOG_LEVEL: 'debug',
  });
});
afterEach(() => {
  for (const client of clients.splice(0)) client.socket.terminate();
});
afterAll(async () => {
  await gateway?.stop();
  await redis?.stop();
});

async function signedIn(id: string, localAddress = '127.0.0.1') {
  const client = await connect(gateway.wsUrl, { token: user(id), localAddress });
  clients.push(client);
  await client.next('AUTHENTICATED');
  return client;
}

describe('connections that say nothing', () => {
  it('are three for an address and five for the gateway; who brings a token comes in all the same', async () => {
    const from = (address: string) => connect(gateway.wsUrl, { localAddress: address });
    for (let n = 0; n < 3; n += 1) clients.push(await from('127.0.0.2'));
    await expect(from('127.0.0.2')).rejects.toMatchObject({ status: 429 });
    for (let n = 0; n < 2; n += 1) clients.push(await from('127.0.0.3'));
    await expect(from('127.0.0.3')).rejects.toMatchObject({ status: 503 });
    await signedIn('has-a-token', '127.0.0.2');
    clients[0]?.socket.terminate();
    await eventually('room for another', async () => clients.push(await from('127.0.0.3')));
  });
});

describe('requests over HTTP', () => {
  it('are ten in a window for a user, by HTTP and nothing else; fifty channels cost as much as one', async () => {
    const get = (id: string, query = 'channel=property:1') =>
      fetch(`${gateway.url}/v1/state?${query}`, { headers: bearer(user(id)) });
    for (let n = 0; n < 10; n += 1) expect((await get('busy')).status).toBe(200);
    const refused = await get('busy');
    expect(refused.status).toBe(429);
    expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
    expect(await refused.json()).toMatchObject({ code: 'rate_limited' });
    expect((await get('somebody-else')).status).toBe(200);
    const many = Array.from({ length: 50 }, () => 'property_id=1').join('&');
    for (let n = 0; n < 10; n += 1) expect((await get('wide', many)).status).toBe(200);
    expect((await get('wide', many)).status).toBe(429);
    const wider = Array.from({ length: 240 }, () => 'property_id=1').join('&');
    for (let n = 0; n < 2; n += 1) expect((await get('widest', wider)).status).toBe(200);
    expect((await get('widest', wider)).status).toBe(429);
  });

  it('are counted on publishers, too: what reads a whole portfolio costs ten', async () => {
    const publisher = await startPublisher({
      REDIS_URL: redis.url,
      JWT_SECRET: TEST_SECRET,
      PUBLISHER_TOKEN: 'for-services',
      RATE_LIMIT_WINDOW_SECONDS: '3600',
      RATE_LIMIT_REQUESTS: '20',
    });
    const get = (id: string, path: string) => fetch(`${publisher.url}${path}`, { headers: bearer(user(id)) });
    for (let n = 0; n < 20; n += 1) expect((await get('reader', '/v1/portfolio')).status).toBe(200);
    const refused = await get('reader', '/v1/portfolio');
    expect(refused.status).toBe(429);
    // One comes back in three minutes.
    const retryAfter = Number(refused.headers.get('retry-after'));
    expect(retryAfter).toBeGreaterThan(0);
    expect(retryAfter).toBeLessThanOrEqual(180);
    expect(await refused.json()).toMatchObject({ code: 'rate_limited' });
    for (let n = 0; n < 2; n += 1) expect((await get('counter', '/v1/kpis')).status).toBe(200);
    expect((await get('counter', '/v1/kpis')).status).toBe(429);
    await publisher.stop();
  });

  it('are as many as an address may have, tokens or none; an address that it claims counts only from a proxy', async () => {
    const flood = await open(gateway.port, '127.0.0.7');
    const request = (headers = '') => `GET /v1/state HTTP/1.1\r\nHost: a\r\n${headers}\r\n`;
    for (let n = 0; n < 310; n += 1) flood.write(request(`X-Forwarded-For: 198.51.100.${n % 250}\r\n`));
    await flood.until(/429 Too Many Requests/);
    // What has come back meanwhile is gone again when the connection is asked for.
    for (let n = 0; n < 10; n += 1) flood.write(request());
    await expect(connect(gateway.wsUrl, { localAddress: '127.0.0.7' })).rejects.toMatchObject({ status: 429 });
    flood.destroy();
    await signedIn('at-home', '127.0.0.8');
    // A proxy's clients are told apart by what it says of them, the right-most first.
    const proxy = await open(gateway.port, '127.0.0.9');
    for (let n = 0; n < 310; n += 1) proxy.write(request(`X-Forwarded-For: 10.9.9.9, 198.51.100.${n % 250}\r\n`));
    await eventually('310 answers', () => (proxy.text().match(/HTTP\/1\.1/g) ?? []).length === 310);
    expect(proxy.text()).not.toContain('429');
    proxy.destroy();
  });

  it.each([
    ['paths that do not exist', 'GET /nothing', '127.0.0.11'],
    ['preflights', 'OPTIONS /v1/state', '127.0.0.12'],
  ])('are requests of their address also where they are for %s', async (_, line, address) => {
    const flood = await open(gateway.port, address);
    for (let n = 0; n < 310; n += 1) flood.write(`${line} HTTP/1.1\r\nHost: a\r\n\r\n`);
    expect(await flood.until(/429 Too Many Requests\r\n[^{]*/)).toMatch(/retry-after: \d/i);
    flood.destroy();
  });

  it('do not come from where a PROXY header says', async () => {
    const signature = Buffer.from('0d0a0d0a000d0a515549540a', 'hex');
    const forged = Buffer.concat([
      signature,
      Buffer.from('2111000c', 'hex'),
      Buffer.from([203, 0, 113, 9, 10, 0, 0, 1, 0, 80, 0, 80]),
    ]);
    const attacker = await open(gateway.port, '127.0.0.6');
    attacker.write(forged);
    attacker.write(
      `GET /ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nAuthorization: Bearer ${user('forger')}\r\n\r\n`,
    );
    await attacker.until(/AUTHENTICATED/);
    const { connections } = (await (await gateway.operate('/ws/connections?user=forger')).json()) as {
      connections: { address: string }[];
    };
    expect(connections.map(({ address }) => address)).toEqual(['127.0.0.6']);
    attacker.destroy();
  });
});

describe('a body', () => {
  it('of somebody without a token is not kept: 200 MB of them leave the memory as it was', async () => {
    const rss = async () => {
      const metrics = await (await fetch(`${gateway.operatorUrl}/metrics`)).text();
      return Number(/^process_resident_memory_bytes (\S+)/m.exec(metrics)?.[1]);
    };
    const before = await rss();
    const senders = await Promise.all(
      Array.from({ length: 200 }, (_, n) => open(gateway.port, `127.0.1.${1 + (n % 100)}`)),
    );
    for (const sender of senders) {
      sender.write(
        'PUT /v1/preferences HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer a.b.c\r\nContent-Length: 1048570\r\n\r\n',
      );
      sender.write(Buffer.alloc(1_000_000, 'x'));
    }
    await Promise.all(senders.map((sender) => sender.until(/401 Unauthorized/)));
    expect((await rss()) - before).toBeLessThan(60e6);
    for (const sender of senders) sender.destroy();
  });

  it('longer than 1 MB is refused, one within it is taken', async () => {
    const put = (body: string) =>
      fetch(`${gateway.url}/v1/preferences`, { method: 'PUT', body, headers: bearer(user('writer')) });
    expect((await put(`{"rules":[]}${' '.repeat(1_048_000)}`)).status).toBe(200);
    expect((await put(`{"rules":[]}${' '.repeat(1_100_000)}`)).status).toBe(413);
  });
});

describe('replays', () => {
  const answerTo = (client: TestClient) =>
    client.next(undefined, ({ type }) => type === 'SUBSCRIBED' || type === 'ERROR');

  it('are charged over HTTP, too, where a position is gone: as many as the state that is sent instead has', async () => {
    const log = openTestLog(redis.url);
    let last: string | undefined;
    for (let n = 0; n < 60; n += 1) [last] = await log.append('property:9', [{ n }], `key-${n}`);
    const get = async (id: string, after: string | undefined) => {
      const url = `${gateway.url}/v1/events?channel=property:9&after=${after}`;
      return (await fetch(url, { headers: bearer(user(id)) })).status;
    };
    const statuses = async (id: string, after: string | undefined) => {
      const seen: number[] = [];
      for (let n = 0; n < 3; n += 1) seen.push(await get(id, after));
      return seen;
    };
    expect(await statuses('was-nowhere', '1-1')).toEqual([200, 200, 429]);
    expect(await statuses('is-up-to-date', last)).toEqual([200, 200, 200]);
    log.close();
  });

  it('are a hundred events in a window for a user, on whatever connection and by HTTP too; new ones still come', async () => {
    const log = openTestLog(redis.url);
    const [first] = await log.append(
      'property:7',
      Array.from({ length: 60 }, (_, n) => ({ n })),
    );
    const greedy = await signedIn('greedy');
    const again = await signedIn('greedy');
    const subscribe = { type: 'SUBSCRIBE', property_id: '7', after: first };
    greedy.send(subscribe);
    expect(await greedy.next('SUBSCRIBED')).toMatchObject({ recovered: true, replay: 59 });
    again.send({ type: 'SUBSCRIBE', property_id: '7', rewind: 60 });
    await again.next('SUBSCRIBED');
    again.send({ ...subscribe, ref: 'third' });
    expect(await again.next('ERROR')).toMatchObject({ code: 'rate_limited', channel: 'property:7', ref: 'third' });
    const url = `${gateway.url}/v1/events?channel=property:7&after=${first}`;
    expect((await fetch(url, { headers: bearer(user('greedy')) })).status).toBe(429);
    expect((await fetch(url, { headers: bearer(user('modest')) })).status).toBe(200);
    await log.append('property:7', [{ n: 'new' }]);
    await greedy.next('VIOLATION_UPDATE', ({ n }) => n === 'new');
    log.close();
  });

  it.each([
    ['older than any', '1-1', 'ancient'],
    ['not reached yet', '9999999999999-1', 'prophet'],
  ])('that cannot be cost what is read instead: a position %s is no way around the budget', async (_, after, id) => {
    const log = openTestLog(redis.url);
    const channel = `property:${id}`;
    // Sixty kinds of violations: the log has as many entries, and so has the state.
    for (let n = 0; n < 60; n += 1) await log.append(channel, [{ n }], `kind-${n}`);
    const client = await signedIn(id);
    let answered = 0;
    const ask = async () => {
      client.send({ type: 'SUBSCRIBE', channel, after, ref: answered });
      answered += 1;
      return answerTo(client);
    };
    expect(await ask()).toMatchObject({ type: 'SUBSCRIBED', recovered: false, replay: 0 });
    for (let n = 0; n < 2; n += 1) await ask();
    expect(await ask()).toMatchObject({ type: 'ERROR', code: 'rate_limited', channel });
    // Who does not ask for the past joins as ever, and gets what is new.
    client.send({ type: 'SUBSCRIBE', channel });
    await client.next('SUBSCRIBED', ({ recovered }) => recovered === undefined);
    await log.append(channel, [{ n: 'new' }]);
    await client.next('VIOLATION_UPDATE', ({ n }) => n === 'new');
    log.close();
  });

  it('stay open to who joins, goes and comes back, and to who was away for too long', async () => {
    const log = openTestLog(redis.url);
    const channel = 'property:faithful';
    const events = Array.from({ length: 40 }, (_, n) => ({ n }));
    await log.append(channel, events, 'HPD');
    const first = await signedIn('faithful');
    first.send({ type: 'SUBSCRIBE', channel });
    let { id } = await first.next('SUBSCRIBED');
    first.socket.terminate();
    for (let n = 0; n < 20; n += 1) {
      const [next] = await log.append(channel, [{ n }], 'HPD');
      const client = await signedIn('faithful');
      client.send({ type: 'SUBSCRIBE', channel, after: id });
      expect(await answerTo(client)).toMatchObject({ recovered: true, replay: 1 });
      client.socket.terminate();
      id = next;
    }
    const late = await signedIn('faithful');
    late.send({ type: 'SUBSCRIBE', channel, after: '1-1' });
    expect(await answerTo(late)).toMatchObject({ recovered: false });
    await late.next('STATE');
    log.close();
  });
});

describe('names that nobody has used', () => {
  it('leave no more keys in Redis than a user may open channels, whichever way they are asked for', async () => {
    const keys = redis.connect();
    const client = await signedIn('inventor');
    const before = await keys.dbsize();
    const names = (from: number) => Array.from({ length: 200 }, (_, n) => `${from + n}`);
    client.send({ type: 'SUBSCRIBE', property_ids: names(500_000) });
    expect(await client.take(50, 'SUBSCRIBED')).toHaveLength(50);
    expect(await client.take(150, 'ERROR')).toEqual(Array(150).fill(expect.objectContaining({ code: 'rate_limited' })));
    const read = (from: number) => {
      const query = names(from)
        .slice(0, 150)
        .map((name) => `property_id=${name}`);
      return fetch(`${gateway.url}/v1/state?${query.join('&')}`, { headers: bearer(user('reader')) });
    };
    expect((await read(600_000)).status).toBe(200);
    expect((await read(610_000)).status).toBe(429);
    const after = await fetch(`${gateway.url}/v1/events?channel=property:700000`, { headers: bearer(user('asker')) });
    expect(await after.json()).toMatchObject({ id: '0-0', recovered: false, events: [] });
    expect(await keys.exists('belfry:{property:700000}:log')).toBe(0);
    // 50 opened by the one, at most 150 by one request of the other, a log and its mark each; nodes and presence besides.
    expect((await keys.dbsize()) - before).toBeLessThan(2 * (50 + 150) + 30);
    expect(await keys.ttl('belfry:{property:500000}:log')).toBeLessThanOrEqual(21_600);
  });

  it('and forbidden ones leave none', async () => {
    const keys = redis.connect();
    const denied = mintToken({ user_id: 'denied' });
    await fetch(`${gateway.url}/v1/state?channel=user:landlord-7`, { headers: bearer(denied) });
    expect(await keys.exists('belfry:{user:landlord-7}:log')).toBe(0);
  });

  it('add no series to the metrics, and no line to the log that a client could forge', async () => {
    const series = async () =>
      (await (await fetch(`${gateway.operatorUrl}/metrics`)).text())
        .split('\n')
        .filter((each) => each !== '' && !each.startsWith('#'))
        .map((each) => each.slice(0, each.lastIndexOf(' ')));
    const client = await signedIn('namer', '127.0.0.13');
    client.send({ type: 'SUBSCRIBE', property_ids: ['1'] });
    await client.next('SUBSCRIBED');
    client.send({ type: 'NOT-A-TYPE' });
    client.send({ type: 'GET_STATE', channel: 'nonsense:1' });
    await client.take(2, 'ERROR');
    client.send({ type: 'SUBSCRIBE', property_ids: ['800000', '800001'] });
    await client.take(2, 'SUBSCRIBED');
    const before = new Set(await series());
    for (let n = 0; n < 20; n += 1) {
      client.send({ type: `X-${n}\n{"level":"fatal","msg":"forged"}`, ref: `r${n}` });
      client.send({ type: 'SUBSCRIBE', channel: `bad\n${n}` });
      client.send({ type: 'GET_STATE', property_id: `90000${n}` });
    }
    await client.settled();
    const added = (await series()).filter((each) => !before.has(each));
    expect(added.filter((each) => /X-|forged|bad|90000|namer/.test(each))).toEqual([]);
    expect(added.length).toBeLessThan(60);
    expect(gateway.logs().filter(({ msg }) => msg === 'forged')).toEqual([]);
  });
});

it('secrets are in nothing that the gateway writes: tokens of every way in, cookies, keys', async () => {
  const canary = user('canary-user', { jti: 'canary-token-id' });
  const signature = canary.slice(-30);
  await fetch(`${gateway.url}/v1/state?channel=property:1&token=${canary}`);
  await fetch(`${gateway.url}/v1/state?channel=property:1`, {
    headers: { ...bearer(canary), cookie: `session=${canary}` },
  });
  const inQuery = await connect(`${gateway.wsUrl}?token=${canary}`);
  const inProtocol = await connect(gateway.wsUrl, { protocols: ['belfry.v1', `bearer.${canary}`] });
  clients.push(inQuery, inProtocol);
  await inQuery.next('AUTHENTICATED');
  inQuery.sendRaw(`{"type":"AUTHENTICATE","token":"${canary}-wrong"`);
  inProtocol.send({ type: 'AUTHENTICATE', token: `${canary}x` });
  await inProtocol.next('ERROR');
  expect(JSON.stringify(inProtocol.received)).not.toContain(signature);
  const metrics = await (await fetch(`${gateway.operatorUrl}/metrics`)).text();
  expect(gateway.output() + metrics).not.toContain(signature);
  expect(gateway.output()).not.toContain('a-secret-that-only-tests-know');
});

it('who never reads and asks without end is cut off, and the memory it held is free again', async () => {
  const attacker = await openWebSocket(gateway.port, [`Authorization: Bearer ${user('never-reads')}`], '127.0.0.14');
  attacker.socket.pause();
  attacker.write(Buffer.concat(Array<Buffer>(50_000).fill(Buffer.from([0x89, 0x80, 0, 0, 0, 0]))));
  const honest = await signedIn('reads', '127.0.0.15');
  await honest.settled();
  attacker.destroy();
});
