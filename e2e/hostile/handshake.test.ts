/** Requests as no browser sends them, slowly or in pieces: each is refused, cut in time, or answered as one request. */
import {
  connect,
  mintToken,
  startGateway,
  startRedis,
  type TestGateway,
  type TestRedis,
  within,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { KEY, open, openWebSocket, type Raw, upgradeRequest } from './raw.js';

let redis: TestRedis;
let gateway: TestGateway;
const raws: Raw[] = [];
const token = mintToken({ user_id: 'honest', role: 'LANDLORD', properties: ['1'] });

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGateway({ REDIS_URL: redis.url, AUTHENTICATION_DEADLINE_SECONDS: '2' });
});
afterEach(async () => {
  for (const raw of raws.splice(0)) raw.destroy();
  const client = await connect(gateway.wsUrl, { token });
  await client.next('AUTHENTICATED');
  await client.close();
  expect(gateway.logs().filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
});
afterAll(async () => {
  await gateway?.stop();
  await redis?.stop();
});

async function raw(): Promise<Raw> {
  const opened = await open(gateway.port);
  raws.push(opened);
  return opened;
}

describe('is no WebSocket afterwards', () => {
  const without = (name: string) => upgradeRequest().replace(new RegExp(`${name}: .*\r\n`), '');
  it.each([
    ['an upgrade without a key', without('Sec-WebSocket-Key')],
    ['an upgrade with a key that is too short', upgradeRequest().replace(KEY, 'c2hvcnQ=')],
    ['an upgrade with a key that is too long', upgradeRequest().replace(KEY, `${KEY}${KEY}`)],
    ['an upgrade to another protocol', upgradeRequest().replace('Upgrade: websocket', 'Upgrade: h2c')],
    ['an upgrade on a path that does not exist', upgradeRequest([], '/wss')],
    ['an upgrade on the path of a call', upgradeRequest([], '/v1/state')],
    ['an upgrade of another version', upgradeRequest().replace('Version: 13', 'Version: 8')],
    ['an upgrade by POST', upgradeRequest().replace('GET', 'POST')],
    ['an upgrade in HTTP/1.0', upgradeRequest().replace('HTTP/1.1', 'HTTP/1.0')],
    ['a header longer than headers may be', upgradeRequest([`X-Long: ${'x'.repeat(40_000)}`])],
    ['a request line longer than that', upgradeRequest([], `/ws?${'x'.repeat(40_000)}`)],
    ['more than a hundred headers', upgradeRequest(Array.from({ length: 200 }, (_, n) => `X-${n}: ${n}`))],
    ['no HTTP at all', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 hello\r\n\r\n'],
  ])('%s', async (_, request) => {
    const attacker = await raw();
    attacker.write(request);
    await Promise.race([attacker.closed, attacker.until(/^HTTP\/1\.1 (?!101)\d{3}/)]);
    expect(attacker.text()).not.toContain(' 101 ');
    expect(attacker.text()).not.toContain('WELCOME');
  });
});

describe('is one request and no more', () => {
  it.each([
    ['two lengths that differ', 'Content-Length: 5\r\nContent-Length: 50'],
    ['a length and chunks', 'Content-Length: 5\r\nTransfer-Encoding: chunked'],
    ['a length that is negative', 'Content-Length: -1'],
    ['a length that is no number', 'Content-Length: 5a'],
    ['a length with a plus', 'Content-Length: +5'],
    ['an encoding in disguise', 'Transfer-Encoding: xchunked'],
  ])('a request with %s: what hides behind it is not answered as the user who signed it', async (_, header) => {
    const attacker = await raw();
    const hidden = `GET /v1/state?channel=property:1 HTTP/1.1\r\nHost: a\r\nX-Hidden: 1\r\n\r\n`;
    attacker.write(
      `PUT /v1/preferences HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\n${header}\r\n\r\n${hidden}`,
    );
    await Promise.race([
      attacker.closed,
      attacker.until(/HTTP\/1\.1 \d{3}/),
      within(new Promise(() => undefined), 'x', { deadlineMs: 1_500 }).catch(() => undefined),
    ]);
    // Nothing of what the second request asks for is answered with the first one's token.
    expect(attacker.text()).not.toContain('"channels":');
    expect((attacker.text().match(/HTTP\/1\.1 200/g) ?? []).length).toBe(0);
  });
});

describe('slowly', () => {
  it('half a request is cut within fifteen seconds, and so is a header that drips; others are served meanwhile', {
    timeout: 40_000,
  }, async () => {
    const started = performance.now();
    const half = await raw();
    half.write('GET /ws HTTP/1.1\r\nHost: a\r\n');
    const silent = await raw();
    // What is no request is waited for like half of one.
    const malformed = ['GET /ws HTTP/1.1\r\n\r\n', upgradeRequest(['no colon']), upgradeRequest(['Bad Name: 1'])];
    const strange = await Promise.all(
      [...malformed, upgradeRequest(['X-Bad: a\u0001b'])].map(async (request) => {
        const each = await raw();
        each.write(request);
        return each;
      }),
    );
    const dripping = await raw();
    const drip = setInterval(() => dripping.write('X'), 500);
    const body = await raw();
    body.write(
      `PUT /v1/preferences HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${token}\r\nContent-Length: 100000\r\n\r\n{`,
    );
    try {
      let cut = false;
      half.closed.then(() => {
        cut = true;
      });
      expect((await fetch(`${gateway.url}/v1/state?channel=property:1&token=${token}`)).status).toBe(200);
      // Not only once the slow ones were gone.
      expect(cut).toBe(false);
      const all = Promise.all([
        half.closed,
        silent.closed,
        dripping.closed,
        body.closed,
        ...strange.map(({ closed }) => closed),
      ]);
      await within(all, 'end of all slow requests', { deadlineMs: 25_000 });
    } finally {
      clearInterval(drip);
    }
    expect(performance.now() - started).toBeLessThan(25_000);
    expect(strange.map((each) => each.text())).toEqual(['', '', '', '']);
  });

  it('whoever does not say who he is, is closed at the deadline whatever he sends meanwhile', async () => {
    const attacker = await openWebSocket(gateway.port);
    raws.push(attacker);
    const pings = setInterval(() => attacker.write(Buffer.from([0x89, 0x80, 0, 0, 0, 0])), 900);
    try {
      await within(attacker.closed, 'close');
    } finally {
      clearInterval(pings);
    }
    expect(attacker.received().includes(Buffer.from([0x10, 0x04]))).toBe(true); // 4100
  });
});
