/** Every way to a channel gives the same answer: live, replay, snapshot, HTTP, stream; for any token and any channel. */
import { authorise, ROLES } from '@belfry/shared/auth';
import { parseChannel } from '@belfry/shared/protocol';
import {
  connect,
  mintToken,
  startGateway,
  startRedis,
  type TestClient,
  type TestGateway,
  type TestRedis,
} from '@belfry/testkit';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let redis: TestRedis;
const gateways: Record<'roles' | 'authenticated', TestGateway | undefined> = {
  roles: undefined,
  authenticated: undefined,
};

beforeAll(async () => {
  redis = await startRedis();
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
  await Promise.all([gateways.roles?.stop(), gateways.authenticated?.stop()]);
  await redis?.stop();
});

const names = ['1', '2', '3'];
const claims = fc.record({
  user_id: fc.constantFrom('landlord-7', 'manager'),
  role: fc.option(fc.constantFrom(...ROLES, 'tenant', 'admin'), { nil: undefined }),
  properties: fc.option(fc.oneof(fc.constant('*'), fc.subarray(names)), { nil: undefined }),
});
const channels = fc.constantFrom(
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
);

/** What one way in says: true, false, or what else came. */
async function answers(
  gateway: TestGateway,
  client: TestClient,
  token: string,
  channel: string,
): Promise<Record<string, unknown>> {
  const ask = async (message: Record<string, unknown>): Promise<boolean | string> => {
    const ref = `${Math.random()}`;
    client.send({ ...message, ref });
    const frame = await client.next(undefined, (candidate) => candidate.ref === ref);
    return frame.type === 'ERROR' ? (frame.code === 'forbidden' ? false : String(frame.code)) : true;
  };
  const fetched = async (path: string): Promise<boolean | number> => {
    const stop = new AbortController();
    const response = await fetch(`${gateway.url}${path}`, {
      headers: { authorization: `Bearer ${token}` },
      signal: stop.signal,
    });
    const { status } = response;
    stop.abort();
    return status === 200 ? true : status === 403 ? false : status;
  };
  const name = encodeURIComponent(channel);
  return {
    live: await ask({ type: 'SUBSCRIBE', channel }),
    replay: await ask({ type: 'SUBSCRIBE', channel, after: '1-1' }),
    rewind: await ask({ type: 'SUBSCRIBE', channel, rewind: 5 }),
    snapshot: await ask({ type: 'GET_STATE', channel }),
    state: await fetched(`/v1/state?channel=${name}`),
    events: await fetched(`/v1/events?channel=${name}&after=1-1`),
    stream: await fetched(`/v1/stream?channel=${name}`),
  };
}

describe.each(['roles', 'authenticated'] as const)('with ACCESS_POLICY=%s', (properties) => {
  it('live, replay, snapshot, HTTP and stream never disagree, and say what the rule says', {
    timeout: 60_000,
  }, async () => {
    const gateway = gateways[properties] as TestGateway;
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
          if (!parsed) throw new Error(`${channel} is no channel`);
          const identity = {
            userId: given.user_id,
            role: given.role?.toUpperCase(),
            properties: given.properties === '*' ? ('all' as const) : new Set(given.properties ?? []),
            expiresAt: 0,
            issuedAt: undefined,
            tokenId: undefined,
          };
          const rule = authorise(identity, 'read', parsed, policy);
          const said = await answers(gateway, client, token, channel);
          expect({ channel, ...said }).toEqual({
            channel,
            live: rule,
            replay: rule,
            rewind: rule,
            snapshot: rule,
            state: rule,
            events: rule,
            stream: rule,
          });
        }
        await client.close();
      }),
      { numRuns: 40 },
    );
  });
});
