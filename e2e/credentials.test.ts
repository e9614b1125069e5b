/** What opens a door, and what does not: cookies, tickets, operators' secrets, and tokens revoked while gateways fail. */
import { generateKeyPairSync } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  connect,
  eventually,
  mintOperatorToken,
  mintToken,
  openTestLog,
  StartFailed,
  startGateway,
  startRedis,
  type TestClient,
  type TestGateway,
  type TestRedis,
  within,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const ORIGIN = 'https://dashboard.example';
const COOKIE = 'belfry';

let redis: TestRedis;
let a: TestGateway;
let b: TestGateway;
const clients: TestClient[] = [];
const gateways: TestGateway[] = [];

const start = (NODE_NAME: string, env: Record<string, string> = {}): Promise<TestGateway> =>
  startGateway({ REDIS_URL: redis.url, NODE_NAME, AUTH_COOKIE: COOKIE, ALLOWED_ORIGINS: ORIGIN, ...env });

beforeAll(async () => {
  redis = await startRedis();
  [a, b] = await Promise.all([start('a'), start('b')]);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.terminate();
  await Promise.all(gateways.splice(0).map((gateway) => gateway.kill()));
});
afterAll(async () => {
  await Promise.all([a?.stop(), b?.stop()]);
  await redis?.stop();
});

async function opened(url: string, options: Parameters<typeof connect>[1] = {}): Promise<TestClient> {
  const client = await connect(url, options);
  clients.push(client);
  return client;
}

describe('a cookie', () => {
  const cookie = `other=1; ${COOKIE}=${mintToken({ user_id: 'landlord-7' })}`;

  it('signs in a page of a named origin', async () => {
    const client = await opened(a.wsUrl, { headers: { cookie, origin: ORIGIN } });
    expect(await client.next('AUTHENTICATED')).toMatchObject({ user_id: 'landlord-7' });
  });

  it.each(['https://elsewhere.example', 'null', `${ORIGIN}.elsewhere.example`, 'http://dashboard.example'])(
    'of a page of %s opens nothing',
    async (origin) => {
      await expect(connect(a.wsUrl, { headers: { cookie, origin } })).rejects.toMatchObject({ status: 403 });
      const response = await fetch(`${a.url}/v1/state?channel=user:landlord-7`, { headers: { cookie, origin } });
      expect(response.status).toBe(403);
      expect(response.headers.get('access-control-allow-origin')).toBeNull();
      const ticket = await fetch(`${a.url}/v1/tickets`, { method: 'POST', headers: { cookie, origin } });
      expect(ticket.status).toBe(403);
    },
  );

  it('without an origin counts only where the browser says that the page is of the same one', async () => {
    const client = await opened(a.wsUrl, { headers: { cookie } });
    client.send({ type: 'GET_STATUS' });
    expect(await client.next('STATUS')).toMatchObject({ authenticated: false });
    const status = async (headers: Record<string, string>, method = 'GET', path = 'state?channel=user:landlord-7') =>
      (await fetch(`${a.url}/v1/${path}`, { method, headers: { cookie, ...headers } })).status;
    expect(await status({})).toBe(401);
    expect(await status({ 'sec-fetch-site': 'cross-site' })).toBe(401);
    expect(await status({ 'sec-fetch-site': 'same-origin' })).toBe(200);
    expect(await status({ origin: ORIGIN })).toBe(200);
    expect(await status({}, 'POST', 'tickets')).toBe(401);
    expect(await status({ 'sec-fetch-site': 'cross-site' }, 'PUT', 'preferences')).toBe(401);
  });

  it.each(['*', '', `${ORIGIN},*`])('is refused as a setting where ALLOWED_ORIGINS is %j', async (ALLOWED_ORIGINS) => {
    const failure = await start('open', { ALLOWED_ORIGINS: ALLOWED_ORIGINS || ' ' }).catch((error: unknown) => error);
    if (ALLOWED_ORIGINS === '') return expect(failure).toBeInstanceOf(StartFailed);
    expect((failure as StartFailed).exit?.code).toBe(78);
    expect((failure as StartFailed).output).toMatch(/^AUTH_COOKIE="belfry" needs ALLOWED_ORIGINS to name/);
  });
});

describe('a ticket', () => {
  async function ticketFor(token: string): Promise<string> {
    const headers = { authorization: `Bearer ${token}` };
    const response = await fetch(`${a.url}/v1/tickets`, { method: 'POST', headers });
    expect(response.headers.get('cache-control')).toBe('no-store');
    return ((await response.json()) as { ticket: string }).ticket;
  }

  it('lets one of twenty in, on whichever gateway they try at once', async () => {
    const ticket = await ticketFor(mintToken({ user_id: 'landlord-7' }));
    const tries = await Promise.all(
      Array.from({ length: 20 }, async (_, n) => {
        const client = await opened(`${(n % 2 ? a : b).wsUrl}?token=${ticket}`);
        return (await client.next(undefined, ({ type }) => type === 'AUTHENTICATED' || type === 'ERROR')).type;
      }),
    );
    expect(tries.filter((type) => type === 'AUTHENTICATED')).toHaveLength(1);
  });

  it('is given for a token, never for another ticket', async () => {
    const ticket = await ticketFor(mintToken({ user_id: 'landlord-7' }));
    expect((await fetch(`${b.url}/v1/tickets?token=${ticket}`, { method: 'POST' })).status).toBe(401);
  });

  it('is worth nothing once the token behind it is revoked', async () => {
    const ticket = await ticketFor(mintToken({ user_id: 'landlord-8', jti: 'stolen' }));
    await a.operate('/ws/revoke', { body: { jti: 'stolen' } });
    const client = await opened(`${b.wsUrl}?token=${ticket}`);
    expect(await client.next('ERROR')).toMatchObject({
      code: 'token_invalid',
      message: expect.stringMatching(/revoked/),
    });
    expect((await client.closed).code).toBe(4103);
  });
});

describe('a revocation', () => {
  const signedIn = async (gateway: TestGateway, token: string): Promise<TestClient> => {
    const client = await opened(gateway.wsUrl, { token });
    await client.next('AUTHENTICATED');
    return client;
  };

  it('cuts everywhere though a gateway is killed meanwhile, and that one refuses the token when it is back', async () => {
    const c = await start('c');
    gateways.push(c);
    await eventually('three gateways', async () => {
      const { nodes } = (await (await a.operate('/ws/nodes')).json()) as { nodes: { node: string }[] };
      return nodes.length === 3;
    });
    const token = mintToken({ user_id: 'landlord-9' });
    const client = await signedIn(b, token);
    const [response] = await Promise.all([a.operate('/ws/revoke', { body: { user_id: 'landlord-9' } }), c.kill()]);
    expect((await within(client.closed, 'close')).code).toBe(4102);
    // Not how many were disconnected: the gateway may have heard of it with its heartbeat before it was asked.
    expect(response.status).toBe(200);
    const again = await start('c');
    gateways.push(again);
    const back = await opened(again.wsUrl, { token });
    expect(await back.next('ERROR')).toMatchObject({ message: expect.stringMatching(/revoked/) });
  });

  it('reaches a gateway that stood still before any event that came behind it', async () => {
    const c = await start('c');
    gateways.push(c);
    const log = openTestLog(redis.url);
    const claims = { role: 'LANDLORD', properties: ['1'] };
    const client = await signedIn(c, mintToken({ user_id: 'landlord-10', ...claims }));
    const bystander = await signedIn(c, mintToken({ user_id: 'bystander', ...claims }));
    for (const each of [client, bystander]) {
      each.send({ type: 'SUBSCRIBE', property_id: '1' });
      await each.next('SUBSCRIBED');
    }
    c.signal('SIGSTOP');
    await log.append('property:1', [{ count: 1 }]);
    expect(await (await a.operate('/ws/revoke', { body: { user_id: 'landlord-10' } })).json()).toMatchObject({
      disconnected: 0,
      missing: ['c'],
    });
    for (let count = 2; count < 200; count += 1) await log.append('property:1', [{ count }]);
    c.signal('SIGCONT');
    expect((await client.closed).code).toBe(4102);
    await bystander.next('VIOLATION_UPDATE', ({ count }) => count === 199);
    const counts = client.received.flatMap(({ count }) => (typeof count === 'number' ? [count] : []));
    expect(counts.filter((count) => count > 1)).toEqual([]);
    log.close();
  });
});

it('operators’ tokens are signed with their own secret where there is one, beside a key set too', async () => {
  const { publicKey } = generateKeyPairSync('ed25519');
  const keys = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'one', alg: 'EdDSA' }] };
  const issuer = createServer((_, response) => response.end(JSON.stringify(keys)));
  await new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve));
  try {
    const secret = 'a-secret-that-only-operators-know-0123456789';
    const gateway = await start('keys', {
      JWT_SECRET: '',
      JWT_JWKS_URL: `http://127.0.0.1:${(issuer.address() as AddressInfo).port}/`,
      JWT_ISSUER: 'https://issuer.example',
      OPERATOR_SECRET: secret,
    });
    gateways.push(gateway);
    expect((await gateway.operate('/ws/stats')).status).toBe(200);
    const headers = { authorization: `Bearer ${mintOperatorToken()}` };
    expect((await fetch(`${gateway.operatorUrl}/ws/stats`, { headers })).status).toBe(401);
    const client = await opened(gateway.wsUrl, { token: mintToken({ user_id: 'landlord-7' }, { secret }) });
    expect(await client.next('ERROR')).toMatchObject({ code: 'token_invalid' });
  } finally {
    issuer.close();
  }
});

describe('two gateways on one host that nobody has named', () => {
  it('hear each other: a revocation ends the connections of both', async () => {
    const env = { REDIS_URL: redis.url, KEY_PREFIX: 'unnamed' };
    const [first, second] = await Promise.all([startGateway(env), startGateway(env)]);
    gateways.push(first, second);
    await eventually('both to be known', async () => {
      const { nodes } = (await (await first.operate('/ws/nodes')).json()) as { nodes: unknown[] };
      return nodes.length === 2;
    });
    const token = mintToken({ user_id: 'landlord-7' });
    const connected = await Promise.all([first, second].map(({ wsUrl }) => opened(wsUrl, { token })));
    for (const client of connected) await client.next('AUTHENTICATED');
    const outcome = await (await first.operate('/ws/revoke', { body: { user_id: 'landlord-7' } })).json();
    expect(outcome).toMatchObject({ missing: [] });
    for (const { closed } of connected) expect((await within(closed, 'close')).code).toBe(4102);
  });
});
