/** Every way to a channel gives the same answer: live, replay, snapshot, HTTP, stream; for any token and any channel. */
import { authorise, type Identity, ROLES } from '@belfry/shared/auth';
import { parseChannel } from '@belfry/shared/protocol';
import {
  connect,
  type Frame,
  mintToken,
  openTestLog,
  startGateway,
  startRedis,
  type TestClient,
  type TestGateway,
  type TestRedis,
} from '@belfry/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let redis: TestRedis;
let log: ReturnType<typeof openTestLog>;
const gateways: Record<'roles' | 'authenticated', TestGateway | undefined> = {
  roles: undefined,
  authenticated: undefined,
};

beforeAll(async () => {
  redis = await startRedis();
  log = openTestLog(redis.url);
  const start = (ACCESS_POLICY: string) =>
    startGateway({
      REDIS_URL: redis.url,
      ACCESS_POLICY,
      NODE_NAME: ACCESS_POLICY,
      BOARD_READERS: 'sources:*,tasks:MANAGER',
      RATE_LIMIT_MESSAGES: '10000',
    });
  gateways.roles = await start('roles');
  gateways.authenticated = await start('authenticated');
});
afterAll(async () => {
  log?.close();
  await Promise.all([gateways.roles?.stop(), gateways.authenticated?.stop()]);
  await redis?.stop();
});

const names = ['1', '2', '3'];
const claims = fc.record({
  user_id: fc.constantFrom('landlord-7', 'manager'),
  role: fc.option(fc.constantFrom(...ROLES, 'tenant', 'admin', 'everyone', 'global', 'Hr', '__proto__', 'ADMIN-'), {
    nil: undefined,
  }),
  properties: fc.option(fc.oneof(fc.constant('*'), fc.subarray(names)), { nil: undefined }),
});
const known = fc.constantFrom(
  ...names.map((name) => `property:${name}`),
  'property-1',
  'user:landlord-7',
  'user:manager',
  ...ROLES.map((role) => `role:${role.toLowerCase()}`),
  'role:tenant',
  'role:everyone',
  'role:ADMIN',
  'global',
  'state:sources',
  'state:tasks',
  'state:other',
  'user:everyone',
  'role:global',
  'role:__proto__',
  'state:__proto__',
);
/** What looks like a channel and is none, or is another one than it looks like. */
const hostile = fc.oneof(
  fc.constantFrom(
    'property-',
    'property-1 ',
    'property:1:2',
    'property:*',
    'user-manager',
    'USER:manager',
    ' user:manager',
    'user:manager\n',
    'user:manager\0',
    'user:ｍanager',
    'user:',
    'global:',
    'global:x',
    'GLOBAL',
    'role:',
    'log:property:1',
    '{property:1}',
    'belfry:{user:manager}:log',
    '__proto__',
    'constructor',
    'cluster',
  ),
  fc.string({ unit: 'grapheme', minLength: 1, maxLength: 90 }),
  fc
    .tuple(fc.constantFrom('property', 'user', 'role', 'state', 'global', 'room'), fc.string({ maxLength: 70 }))
    .map(([kind, id]) => `${kind}:${id}`),
);
const channels = fc.oneof({ weight: 3, arbitrary: known }, { weight: 1, arbitrary: hostile });

let counter = 0;
/** What each way in says: allowed, forbidden, no channel, or what else came. */
async function answers(
  gateway: TestGateway,
  client: TestClient,
  token: string,
  userId: string,
  channel: string,
  expected: boolean,
): Promise<Record<string, unknown>> {
  const ask = async (message: Record<string, unknown>): Promise<string> => {
    const ref = `${Math.random()}`;
    client.send({ ...message, ref });
    const frame = await client.next(undefined, (candidate) => candidate.ref === ref);
    return frame.type === 'ERROR' ? String(frame.code) : 'allowed';
  };
  const fetched = async (path: string): Promise<string> => {
    const stop = new AbortController();
    const response = await fetch(`${gateway.url}${path}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: stop.signal,
    });
    const { status } = response;
    const code = status === 200 ? 'allowed' : ((await response.json()) as { code: string }).code;
    stop.abort();
    return code;
  };
  const name = encodeURIComponent(channel);
  /** Both ways to join have been tried: what is published now comes, or must not. */
  async function delivered(): Promise<string> {
    const parsed = parseChannel(channel);
    if (!parsed) return 'bad_channel';
    counter += 1;
    const count = counter;
    await log.append(parsed.channel, [{ count }], 'k');
    const isIt = (frame: Frame) => frame.channel === parsed.channel && frame.count === count;
    if (expected) return (await client.next('VIOLATION_UPDATE', isIt)) && 'allowed';
    // Redis tells the gateway of both in their order, and the gateway the client.
    await log.append(`user:${userId}`, [{ count }], 'k');
    await client.next('VIOLATION_UPDATE', (frame) => frame.channel === `user:${userId}` && frame.count === count);
    return client.received.some(isIt) ? 'allowed' : 'forbidden';
  }
  return {
    live: await ask({ type: 'SUBSCRIBE', channel }),
    replay: await ask({ type: 'SUBSCRIBE', channel, after: '1-1' }),
    rewind: await ask({ type: 'SUBSCRIBE', channel, rewind: 5 }),
    snapshot: await ask({ type: 'GET_STATE', channel }),
    state: await fetched(`/v1/state?channel=${name}`),
    events: await fetched(`/v1/events?channel=${name}&after=1-1`),
    stream: await fetched(`/v1/stream?channel=${name}`),
    delivered: await delivered(),
  };
}

/** Somebody who may, for every channel: a gateway hears only of channels that somebody follows there. */
async function startWitnesses(gateway: TestGateway): Promise<TestClient[]> {
  const join = async (token: string, asked: readonly string[]): Promise<TestClient> => {
    const client = await connect(gateway.wsUrl, { token });
    client.send({ type: 'SUBSCRIBE', channels: asked });
    await client.take(asked.length, 'SUBSCRIBED');
    return client;
  };
  const boards = ['state:sources', 'state:tasks', 'state:other', 'state:__proto__'];
  const everything = [...names.map((name) => `property:${name}`), 'global', ...boards];
  const roles = [...ROLES, 'tenant', 'everyone', 'global', '__proto__'];
  return Promise.all([
    join(mintToken({ user_id: 'witness', role: 'HR' }), everything),
    ...roles.map((role) => join(mintToken({ user_id: `witness-${role}`, role }), [`role:${role.toLowerCase()}`])),
    ...['landlord-7', 'manager', 'everyone'].map((user) => join(mintToken({ user_id: user }), [`user:${user}`])),
  ]);
}

describe.each(['roles', 'authenticated'] as const)('with ACCESS_POLICY=%s', (properties) => {
  it('live, replay, snapshot, HTTP and stream never disagree, and say what the rule says', {
    timeout: 240_000,
  }, async () => {
    const gateway = gateways[properties] as TestGateway;
    const witnesses = await startWitnesses(gateway);
    const policy = {
      properties,
      boardReaders: new Map([
        ['sources', new Set(['*'])],
        ['tasks', new Set(['MANAGER'])],
      ]),
    };
    await fc.assert(
      fc.asyncProperty(claims, fc.uniqueArray(channels, { minLength: 3, maxLength: 6 }), async (given, asked) => {
        const token = mintToken(given);
        const client = await connect(gateway.wsUrl, { token });
        await client.next('AUTHENTICATED');
        for (const channel of asked) {
          const parsed = parseChannel(channel);
          const identity: Identity = {
            userId: given.user_id,
            role: given.role?.toUpperCase(),
            properties: given.properties === '*' ? 'all' : new Set(given.properties ?? []),
            expiresAt: 0,
            issuedAt: undefined,
            tokenId: undefined,
          };
          const may = parsed !== undefined && authorise(identity, 'read', parsed, policy);
          const rule = may ? 'allowed' : parsed ? 'forbidden' : 'bad_channel';
          const said = await answers(gateway, client, token, given.user_id, channel, may);
          expect({ channel, ...said }).toEqual({
            channel,
            live: rule,
            replay: rule,
            rewind: rule,
            snapshot: rule,
            state: rule,
            events: rule,
            stream: rule,
            delivered: rule,
          });
        }
        await client.close();
      }),
      { numRuns: 40 },
    );
    await Promise.all(witnesses.map((witness) => witness.close()));
  });
});
