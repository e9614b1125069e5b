/** What a gateway does with what it should never be sent: the right error or close for each, and it lives on. */
import { createHmac } from 'node:crypto';
import {
  connect,
  eventually,
  mintToken,
  StartFailed,
  startGateway,
  startRedis,
  type TestClient,
  type TestGateway,
  type TestRedis,
  UpgradeRefused,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

const ORIGIN = 'https://dashboard.example';
const manager = mintToken({ user_id: 'manager', role: 'MANAGER', properties: ['1012650001'] });

let redis: TestRedis;
let gateway: TestGateway;
const open: TestClient[] = [];

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGateway({ REDIS_URL: redis.url, ALLOWED_ORIGINS: ORIGIN, RATE_LIMIT_MESSAGES: '1000' });
});
afterEach(() => {
  for (const client of open.splice(0)) client.socket.terminate();
});
afterAll(async () => {
  await gateway?.stop();
  await redis?.stop();
});

async function connected(to: TestGateway = gateway, options: Parameters<typeof connect>[1] = {}) {
  const client = await connect(to.wsUrl, options);
  open.push(client);
  await client.next('WELCOME');
  return client;
}

async function signedIn(to: TestGateway = gateway, token = manager) {
  const client = await connected(to, { token });
  await client.next('AUTHENTICATED');
  return client;
}

/** The gateway is the same process as before, and serves. */
async function stillServes() {
  const client = await signedIn();
  client.send({ type: 'SUBSCRIBE', property_id: '1012650001' });
  await client.next('SUBSCRIBED');
  expect(gateway.logs().filter(({ level }) => level === 'error' || level === 'fatal')).toEqual([]);
}

/** Sessions that outlive their connection would be counted for ever, and asked for what they no longer have. */
const nobodyLeft = (at: TestGateway) =>
  eventually('gateway without connections', async () => {
    const stats = (await (await at.operate('/ws/stats')).json()) as { active_connections: number };
    return stats.active_connections === 0;
  });

describe('a frame that cannot be understood is answered with its error, and the connection stays', () => {
  const subscribe = (fields: Record<string, unknown>) => JSON.stringify({ type: 'SUBSCRIBE', ...fields });
  it.each([
    ['is not JSON', 'SUBSCRIBE 1012650001', 'bad_message'],
    ['is empty', '', 'bad_message'],
    ['is cut off', '{"type":"SUBSCRIBE","property_id":"10126', 'bad_message'],
    ['is a list', '[]', 'bad_message'],
    ['is null', 'null', 'bad_message'],
    ['is a number', '1e999', 'bad_message'],
    ['has no type', '{}', 'bad_message'],
    ['has a type that is no text', '{"type":{"toString":"x"}}', 'bad_message'],
    ['has an unknown type', '{"type":"DROP_TABLES"}', 'unknown_type'],
    ['has the name of an object’s own method as its type', '{"type":"constructor"}', 'unknown_type'],
    ['has __proto__ as its type', '{"type":"__proto__"}', 'unknown_type'],
    ['sets __proto__', '{"type":"GET_STATUS","__proto__":{"authenticated":true}}', 'bad_message'],
    ['has a ref that is a list', '{"type":"PING","ref":[1]}', 'bad_message'],
    ['has a ref that is too long', JSON.stringify({ type: 'PING', ref: 'r'.repeat(129) }), 'bad_message'],
    ['is a thousand lists deep', `${'['.repeat(1000)}${']'.repeat(1000)}`, 'bad_message'],
    ['names no channel', subscribe({}), 'bad_message'],
    ['names a property that is an object', subscribe({ property_id: {} }), 'bad_message'],
    ['names properties that are no list', subscribe({ property_ids: '1012650001' }), 'bad_message'],
    ['names properties that are lists', subscribe({ property_ids: [[1]] }), 'bad_message'],
    ['names an empty property', subscribe({ property_id: '' }), 'bad_channel'],
    ['names a property with a space', subscribe({ property_id: '1012650001 ' }), 'bad_channel'],
    [
      'names a property with a brace, which Redis would read as a hash tag',
      subscribe({ property_id: '}{' }),
      'bad_channel',
    ],
    ['names a property with a line break', subscribe({ property_id: '1\r\n2' }), 'bad_channel'],
    ['names a property that is too long', subscribe({ property_id: '1'.repeat(65) }), 'bad_channel'],
    ['names a channel of no kind', subscribe({ channel: 'secrets:1' }), 'bad_channel'],
    ['names a channel with a pattern', subscribe({ channel: 'property:*' }), 'bad_channel'],
    ['names a foreign property', subscribe({ property_id: '3012340001' }), 'forbidden'],
    ['names another user’s channel', subscribe({ channel: 'user:landlord-7' }), 'forbidden'],
    ['has an `after` that is no position', subscribe({ property_id: '1012650001', after: 'latest' }), 'bad_message'],
    ['has an `after` that is too large', subscribe({ property_id: '1', after: `${'9'.repeat(16)}-0` }), 'bad_message'],
    ['has a negative rewind', subscribe({ property_id: '1012650001', rewind: -1 }), 'bad_message'],
    ['has a rewind that is text', subscribe({ property_id: '1012650001', rewind: '5' }), 'bad_message'],
  ])('%s', async (_, frame, code) => {
    const client = await signedIn();
    client.sendRaw(frame);
    expect(await client.next()).toMatchObject({ type: 'ERROR', code, message: expect.any(String) });
    await client.settled();
    expect(client.pending('SUBSCRIBED')).toEqual([]);
  });

  it('is binary', async () => {
    const client = await signedIn();
    client.sendRaw(Buffer.from('{"type":"PING"}'));
    expect(await client.next()).toMatchObject({ type: 'ERROR', code: 'bad_message' });
    await client.settled();
  });

  it('has bytes that are no UTF-8: then the connection ends, as WebSocket demands', async () => {
    const client = await signedIn();
    client.socket.send(Buffer.from([0x22, 0xc3, 0x28, 0x22]), { binary: false });
    await client.closed;
    await stillServes();
  });

  it('is 1 MB long: then the connection is cut before it is read', async () => {
    const client = await signedIn();
    client.sendRaw(JSON.stringify({ type: 'PING', ref: 'x'.repeat(1024 * 1024) }));
    expect((await client.closed).code).toBe(1006);
    await stillServes();
  });
});

describe('a command before authentication is refused', () => {
  it.each(['SUBSCRIBE', 'UNSUBSCRIBE', 'GET_STATE'])('%s', async (type) => {
    const client = await connected();
    client.send({ type, property_id: '1012650001', ref: 7 });
    expect(await client.next()).toMatchObject({ type: 'ERROR', code: 'not_authenticated', ref: 7 });
  });
});

const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
const inAnHour = Math.floor(Date.now() / 1000) + 3600;
const claims = { user_id: 'manager', role: 'ADMIN', exp: inAnHour };
/** Signs by hand what no library would: whatever `alg` says. */
const handmade = (header: Record<string, unknown>, secret: string) => {
  const content = `${encode(header)}.${encode(claims)}`;
  return `${content}.${createHmac('sha256', secret).update(content).digest('base64url')}`;
};

describe('a token that is not good is refused', () => {
  it.each([
    ['expired', mintToken({ user_id: 'manager' }, { expiresInSeconds: -60 }), 'token_expired'],
    [
      'forged',
      mintToken({ user_id: 'manager' }, { secret: 'somebody-else’s-secret-0123456789abcdef' }),
      'token_invalid',
    ],
    ['of the algorithm none', mintToken(claims, { algorithm: 'none' }), 'token_invalid'],
    ['of the algorithm None', `${encode({ alg: 'None' })}.${encode(claims)}.`, 'token_invalid'],
    ['of another algorithm', mintToken(claims, { algorithm: 'HS512' }), 'token_invalid'],
    [
      'signed with a key it brings along',
      handmade({ alg: 'HS256', jwk: { kty: 'oct', k: 'AAAA' } }, '\0\0\0'),
      'token_invalid',
    ],
    ['signed with an empty secret', handmade({ alg: 'HS256' }, ''), 'token_invalid'],
    ['without an expiry', mintToken({ user_id: 'manager' }, { expiresInSeconds: null }), 'token_invalid'],
    ['without a user', mintToken({ role: 'ADMIN' }), 'token_invalid'],
    ['of a user with a colon', mintToken({ user_id: 'a:b' }), 'token_invalid'],
    ['with changed claims', manager.replace(/\.[^.]+\./, `.${encode(claims)}.`), 'token_invalid'],
    ['no token', 'let me in', 'token_invalid'],
    ['empty', '', 'token_invalid'],
  ])('%s', async (_, token, code) => {
    const client = await connected();
    client.send({ type: 'AUTHENTICATE', token, ref: 'a' });
    expect(await client.next()).toMatchObject({ type: 'ERROR', code, ref: 'a' });
    client.send({ type: 'GET_STATUS' });
    expect(await client.next('STATUS')).toMatchObject({ authenticated: false, subscriptions: [] });
  });

  it.each([
    ['in the URL', async () => await connect(`${gateway.wsUrl}?token=forged`)],
    ['in a header', async () => await connect(gateway.wsUrl, { token: 'forged' })],
    ['in a subprotocol', async () => await connect(gateway.wsUrl, { protocols: ['belfry.v1', 'bearer.a.b.c'] })],
  ])('and closes at once where it came with the upgrade, %s', async (_, attempt) => {
    const client = await attempt();
    expect(await client.next('ERROR')).toMatchObject({ code: 'token_invalid' });
    expect(await client.closed).toMatchObject({ code: 4103 });
    await nobodyLeft(gateway);
  });

  it('and closes after the third', async () => {
    const client = await connected();
    for (let n = 0; n < 3; n += 1) client.send({ type: 'AUTHENTICATE', token: `wrong-${n}` });
    await client.take(3, 'ERROR');
    expect(await client.closed).toMatchObject({ code: 4103 });
  });

  it('where it is another user’s than the connection’s', async () => {
    const client = await signedIn();
    client.send({ type: 'AUTHENTICATE', token: mintToken({ user_id: 'landlord-7' }) });
    expect(await client.next('ERROR')).toMatchObject({ code: 'forbidden' });
    client.send({ type: 'GET_STATUS' });
    expect(await client.next('STATUS')).toMatchObject({ user_id: 'manager' });
  });

  it('and no token is written to the log', () => {
    expect(gateway.output()).not.toContain(manager.slice(-20));
    expect(gateway.output()).not.toContain('forged');
  });
});

describe('a connection that may not be is refused before it is one', () => {
  it('on a path that does not exist', async () => {
    await expect(connect(`ws://127.0.0.1:${gateway.port}/chat`)).rejects.toMatchObject({ status: 404 });
  });

  it('from a foreign origin, while the allowed one and none at all may', async () => {
    const refused = connect(gateway.wsUrl, { headers: { origin: 'https://elsewhere.example' } });
    await expect(refused).rejects.toMatchObject({ status: 403 });
    await connected(gateway, { headers: { origin: ORIGIN } });
    await connected();
  });
});

describe('limits', () => {
  let small: TestGateway;
  beforeAll(async () => {
    small = await startGateway({
      REDIS_URL: redis.url,
      MAX_CONNECTIONS: '4',
      MAX_CONNECTIONS_PER_IP: '3',
      MAX_CONNECTIONS_PER_USER: '1',
      MAX_SUBSCRIPTIONS: '300',
      // So long that nothing comes back while a test uses a budget up, however slow the machine.
      RATE_LIMIT_WINDOW_SECONDS: '3600',
      AUTHENTICATION_DEADLINE_SECONDS: '1',
      ACCESS_POLICY: 'authenticated',
    });
  });
  afterAll(async () => {
    await small?.stop();
  });
  const user = (id: string) => mintToken({ user_id: id });

  it('closes who has not authenticated in time with 4100, and nobody else', async () => {
    const [silent, signed] = [await connected(small), await signedIn(small, user('on-time'))];
    expect(await silent.closed).toMatchObject({ code: 4100 });
    await signed.settled();
  });

  it('closes a user’s connection too many with 4203, and lets go of the count when one leaves', async () => {
    const first = await signedIn(small, user('twice'));
    const second = await connect(small.wsUrl, { token: user('twice') });
    expect(await second.closed).toMatchObject({ code: 4203 });
    const stream = await fetch(`${small.url}/v1/stream?channel=property:1&token=${user('twice')}`);
    expect(await stream.text()).toContain('event: close\ndata: {"code":4203,');
    await first.close();
    await nobodyLeft(small);
    await signedIn(small, user('twice'));
  });

  it('refuses an address’s connection too many with 429 and the gateway’s with 503, both with Retry-After', async () => {
    for (const id of ['a', 'b', 'c']) await signedIn(small, user(id));
    const perAddress = await connect(small.wsUrl).catch((error: unknown) => error);
    expect(perAddress).toBeInstanceOf(UpgradeRefused);
    expect(perAddress).toMatchObject({ status: 429 });
    open.push(await connect(small.wsUrl, { localAddress: '127.0.0.2', token: user('d') }));
    await expect(connect(small.wsUrl, { localAddress: '127.0.0.3' })).rejects.toMatchObject({ status: 503 });
    const response = await fetch(`${small.url}/v1/stream?channel=property:1`, {
      headers: { authorization: `Bearer ${user('e')}` },
    });
    expect(response.status).toBe(503);
    expect(Number(response.headers.get('retry-after'))).toBeGreaterThan(0);
  });

  it('passes a SUBSCRIBE of 200 properties, which is one message', async () => {
    const client = await signedIn(small, user('many'));
    client.send({ type: 'SUBSCRIBE', property_ids: Array.from({ length: 200 }, (_, n) => `${1012650000 + n}`) });
    expect(await client.take(200, 'SUBSCRIBED')).toHaveLength(200);
    await client.settled();
    expect(client.pending('ERROR')).toEqual([]);
  });

  it('refuses the channel that is one too many, and only that one', async () => {
    const client = await signedIn(small, user('hoarder'));
    // One is the user's own, one everybody's.
    client.send({ type: 'SUBSCRIBE', property_ids: Array.from({ length: 300 }, (_, n) => `${1012650000 + n}`) });
    expect(await client.next('ERROR')).toMatchObject({
      code: 'too_many_subscriptions',
      channel: 'property:1012650298',
    });
    expect(await client.take(298, 'SUBSCRIBED')).toHaveLength(298);
  });

  it('answers the 101st message with rate_limited and when to go on, and closes who does not stop with 4202', async () => {
    const client = await signedIn(small, user('hasty'));
    for (let n = 0; n < 101; n += 1) client.send({ type: 'PING', ref: n });
    expect(await client.take(100, 'PONG')).toHaveLength(100);
    const error = await client.next('ERROR');
    expect(error).toMatchObject({ code: 'rate_limited', message: 'Rate limit exceeded', ref: 100 });
    expect(error.retry_after_ms).toBeGreaterThan(0);
    expect(error.retry_after_ms).toBeLessThanOrEqual(36_000);
    for (let n = 0; n < 60; n += 1) client.sendRaw('not JSON either');
    expect(await client.closed).toMatchObject({ code: 4202 });
  });
});

describe('a configuration that is wrong stops the process with one line that names the variable', () => {
  it.each([
    ['WEBSOCKET_PORT', { WEBSOCKET_PORT: '99999' }, /^WEBSOCKET_PORT="99999" must be 0 to 65535; .+$/],
    ['MAX_CONNECTIONS', { MAX_CONNECTIONS: 'many' }, /^MAX_CONNECTIONS="many" must be 1 to 1000000; .+$/],
    [
      'ACCESS_POLICY',
      { ACCESS_POLICY: 'everybody' },
      /^ACCESS_POLICY="everybody" must be one of roles \| authenticated; .+$/,
    ],
    ['REDIS_URL', { REDIS_URL: 'localhost:6379' }, /^REDIS_URL must be redis:.+$/],
    ['LOG_LEVEL', { LOG_LEVEL: 'loud' }, /^LOG_LEVEL="loud" must be one of fatal .+$/],
    ['JWT_SECRET, missing', { JWT_SECRET: '' }, /^JWT_SECRET is not set; .+$/],
    [
      'JWT_SECRET, short in production',
      { JWT_SECRET: 'tiny', NODE_ENV: 'production' },
      /^JWT_SECRET has 4 characters; .+32$/,
    ],
    ...['JWT_PREVIOUS_SECRET', 'OPERATOR_SECRET'].map((variable): [string, Record<string, string>, RegExp] => [
      `${variable}, short in production`,
      { [variable]: 'tiny', NODE_ENV: 'production' },
      new RegExp(`^${variable} has 4 characters; .+32$`),
    ]),
    [
      'JWT_SECRET_FILE',
      { JWT_SECRET: '', JWT_SECRET_FILE: '/nowhere' },
      /^JWT_SECRET_FILE="\/nowhere" cannot be read: .+$/,
    ],
    ...['dashboard.example', 'https://b.example/', 'https://*.example'].map(
      (origin): [string, Record<string, string>, RegExp] => [
        `ALLOWED_ORIGINS, one of them ${origin}`,
        { ALLOWED_ORIGINS: `${ORIGIN},${origin}` },
        /^ALLOWED_ORIGINS="https:.+" must be `\*`, or .+ as https:\/\/dashboard.example .+, not ".+"; .+$/,
      ],
    ),
    ...['WEBSOCKET', 'OPERATOR'].map((side): [string, Record<string, string>, RegExp] => [
      `${side}_HOST, which is nobody's here`,
      { [`${side}_HOST`]: '192.0.2.1' },
      new RegExp(`^${side}_HOST="192.0.2.1" cannot be listened on: it is no address of this machine$`),
    ]),
    ...['WEBSOCKET', 'OPERATOR'].map((side): [string, Record<string, string>, RegExp] => [
      `${side}_HOST, which is no address`,
      { [`${side}_HOST`]: '999.1.1.1' },
      new RegExp(`^${side}_HOST="999.1.1.1" cannot be listened on: it is no address, nor a name of one .+$`),
    ]),
  ])('%s', async (_, env, line) => {
    const { exit, output } = await refusal(env);
    expect(exit?.code).toBe(78);
    expect(unlogged(output)).toEqual([expect.stringMatching(line)]);
    expect(output).not.toContain('tiny');
  });

  it.each(['WEBSOCKET_PORT', 'OPERATOR_PORT'])('%s, where another listens', async (variable) => {
    const { exit, output } = await refusal({ [variable]: `${gateway.port}` });
    expect(exit?.code).toBe(78);
    expect(unlogged(output)).toEqual([`${variable}=${gateway.port} cannot be listened on: another process does`]);
  });

  /** Before a gateway listens its link to Redis may have been logged. */
  const unlogged = (output: string) =>
    output
      .trim()
      .split('\n')
      .filter((line) => !line.startsWith('{"level":"info"'));

  async function refusal(env: Record<string, string>): Promise<StartFailed> {
    const started = startGateway({ REDIS_URL: redis.url, ...env });
    const failure = await started.then(
      (wrong) => wrong.stop(),
      (error: unknown) => error,
    );
    expect(failure).toBeInstanceOf(StartFailed);
    return failure as StartFailed;
  }
});

it('after all of it the gateway is still the process that was started, and serves', stillServes);
