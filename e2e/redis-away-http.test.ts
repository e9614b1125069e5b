/**
 * While Redis is away every HTTP answer that needs it is 503 with Retry-After and a sentence, on all ports of a gateway and
 * a publisher; operators still see the gateway that they ask. What is wrong with us, and not with Redis, stays 500.
 */
import {
  connect,
  type LogLine,
  mintOperatorToken,
  mintToken,
  startGateway,
  startPublisher,
  startRedis,
  TEST_SECRET,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let redis: TestRedis;
let gateway: TestGateway;
let publisher: TestProcess;
const token = mintToken({ user_id: 'landlord-7', role: 'LANDLORD', properties: ['1'] });
const asUser = { authorization: `Bearer ${token}` };
const asOperator = { authorization: `Bearer ${mintOperatorToken()}` };

beforeAll(async () => {
  redis = await startRedis();
  [gateway, publisher] = await Promise.all([
    startGateway({ REDIS_URL: redis.url, NODE_NAME: 'a', AUTHENTICATION_DEADLINE_SECONDS: '60' }),
    startPublisher({ REDIS_URL: redis.url, JWT_SECRET: TEST_SECRET }),
  ]);
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), publisher?.stop()]);
  await redis?.stop();
});

const RULES = { rules: [] };
const PORTS = {
  clients: (path: string, init: RequestInit) => fetch(`${gateway.url}${path}`, { headers: asUser, ...init }),
  operators: (path: string, init: RequestInit) =>
    fetch(`${gateway.operatorUrl}${path}`, { headers: asOperator, ...init }),
  door: (path: string, init: RequestInit) =>
    fetch(`${publisher.url}${path}`, {
      headers: { ...asUser, 'content-type': 'application/json' },
      ...init,
    }),
  'publisher’s operators': (path: string, init: RequestInit) =>
    fetch(`${publisher.operatorUrl}${path}`, { headers: asOperator, ...init }),
} as const;

/** What needs Redis: port, call, body. */
const CALLS: readonly (readonly [port: keyof typeof PORTS, call: string, body?: object])[] = [
  ['clients', 'GET /v1/state?channel=property:1'],
  ['clients', 'GET /v1/events?channel=property:1'],
  ['clients', 'POST /v1/tickets'],
  ['clients', 'GET /v1/preferences'],
  ['clients', 'PUT /v1/preferences', RULES],
  ['operators', 'GET /ws/connections/a-1'],
  ['operators', 'GET /ws/presence'],
  ['operators', 'GET /ws/presence?user=landlord-7'],
  ['operators', 'GET /ws/presence?channel=property:1'],
  ['operators', 'GET /ws/trace?user=landlord-7&seconds=1'],
  ['operators', 'DELETE /ws/connections/a-1'],
  ['operators', 'POST /ws/disconnect-user', { user_id: 'landlord-9' }],
  ['operators', 'POST /ws/revoke', { user_id: 'landlord-9' }],
  ['operators', 'POST /ws/rebalance', { share: 0 }],
  ['operators', 'POST /ws/broadcast', { message: 'the lift is back' }],
  ['operators', 'POST /ws/notify-user', { user_id: 'landlord-9', message: 'the lift is back' }],
  ['door', 'POST /v1/events', { channel: 'property:1', type: 'NOTE' }],
  ['door', 'GET /v1/portfolio'],
  ['door', 'PUT /v1/portfolio', { properties: ['1'] }],
  ['door', 'GET /v1/kpis'],
  ['publisher’s operators', 'GET /jobs'],
  ['publisher’s operators', 'GET /jobs/deliveries/failed'],
  ['publisher’s operators', 'GET /jobs/board'],
  ['publisher’s operators', 'POST /jobs/deliveries/retry', {}],
  ['publisher’s operators', 'GET /dead-letters'],
];

async function call(port: keyof typeof PORTS, text: string, body?: object) {
  const [method, path] = text.split(' ') as [string, string];
  const init = { method, ...(body ? { body: JSON.stringify(body) } : {}) };
  const answer = await PORTS[port](path, init).catch((error: Error) => error);
  if (answer instanceof Error) return { call: text, status: 0, retryAfter: null, body: answer.message };
  return {
    call: text,
    status: answer.status,
    retryAfter: answer.headers.get('retry-after'),
    body: await answer.text(),
  };
}

const json = async (path: string) =>
  JSON.parse((await call('operators', `GET ${path}`)).body) as Record<string, unknown>;

describe('with Redis there', () => {
  it('what it holds in place of ours is a fault, answered 500 and logged as an error', async () => {
    const admin = redis.connect();
    const foreign = ['belfry:{alerts}:preferences', 'belfry:intake:dead'] as const;
    await Promise.all(foreign.map((key) => admin.set(key, 'not ours')));
    try {
      expect(await call('clients', 'GET /v1/preferences')).toMatchObject({ status: 500, retryAfter: null });
      expect(await call('publisher’s operators', 'GET /dead-letters')).toMatchObject({ status: 500, retryAfter: null });
      const isError = ({ level, msg }: LogLine) => level === 'error' && /failed/.test(String(msg));
      await Promise.all([gateway.logged(isError), publisher.logged(isError)]);
    } finally {
      await admin.del(...foreign);
    }
  });
});

describe.each([
  ['frozen', () => redis.freeze(), () => redis.thaw()],
  ['stopped', () => redis.kill(), () => redis.start()],
] as const)('with Redis %s', (_, leave, comeBack) => {
  let ticket: string;
  beforeAll(async () => {
    const answer = await call('clients', 'POST /v1/tickets');
    ({ ticket } = JSON.parse(answer.body) as { ticket: string });
    const client = await connect(gateway.wsUrl, { token });
    client.send({ type: 'SUBSCRIBE', property_id: '1' });
    await client.next('SUBSCRIBED', ({ channel }) => channel === 'property:1');
    await leave();
    return async () => {
      await comeBack();
      await client.close();
    };
  });

  it('a ticket is not called wrong: it cannot be checked, however often it is shown', async () => {
    const client = await connect(gateway.wsUrl);
    for (const ref of [1, 2, 3]) client.send({ type: 'AUTHENTICATE', token: ticket, ref });
    const answer = await fetch(`${gateway.url}/v1/state?channel=property:1&token=${ticket}`);
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^[1-9]\d*$/)]);
    expect(await answer.json()).toMatchObject({ code: 'unavailable', message: expect.stringContaining('ticket') });
    for (const refused of [1, 2, 3]) {
      const error = await client.next('ERROR', ({ ref }) => ref === refused);
      expect(error).toMatchObject({ code: 'unavailable', message: expect.stringContaining('ticket') });
      expect(error.retry_after_ms).toBeGreaterThan(0);
    }
    client.send({ type: 'PING', ref: 'still here' });
    await client.next('PONG');
    await client.close();
  });

  it('whatever needs it is answered 503, with when to come again and a sentence that is none of a library’s', async () => {
    const answers = await Promise.all(CALLS.map(([port, text, body]) => call(port, text, body)));
    expect(answers.filter(({ status }) => status !== 503)).toEqual([]);
    for (const { body, call: text, retryAfter } of answers) {
      expect([text, retryAfter]).toEqual([text, expect.stringMatching(/^[1-9]\d*$/)]);
      const { code, message } = JSON.parse(body) as { code: string; message: string };
      expect([text, code]).toEqual([text, 'unavailable']);
      expect(message).toMatch(/Redis|the log/);
      expect(message).not.toMatch(/max retries|maxRetries|timed out|Connection is closed|Socket/i);
    }
  });

  it('operators see the gateway that they ask, and that the others are not in it', async () => {
    const [stats, nodes, rooms, connections] = await Promise.all(
      ['/ws/stats', '/ws/nodes', '/ws/rooms', '/ws/connections?user=landlord-7'].map(json),
    );
    expect(stats).toMatchObject({ node: 'a', active_connections: 1, cluster: { nodes: 1, active_connections: 1 } });
    expect(nodes?.nodes).toMatchObject([{ node: 'a', active_connections: 1 }]);
    expect(rooms?.rooms).toContainEqual(expect.objectContaining({ channel: 'property:1', followers: 1 }));
    expect(connections).toMatchObject({ total: 1, connections: [{ user_id: 'landlord-7' }] });
    for (const answer of [stats, nodes, rooms, connections]) {
      expect(answer?.incomplete).toMatch(/only gateway a .*Redis/);
    }
  });
});
