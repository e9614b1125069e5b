/** Operators look into and act on the whole cluster, whichever gateway they ask. */
import { CLOCK_TOLERANCE_SECONDS } from '@belfry/shared/auth';
import {
  connect,
  type LogLine,
  mintOperatorToken,
  mintToken,
  startGateway,
  startPublisher,
  startRedis,
  TEST_SECRET,
  type TestClient,
  type TestGateway,
  type TestProcess,
  type TestRedis,
  within,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

const WITHIN = { timeout: 20_000 };
let redis: TestRedis;
let a: TestGateway;
let b: TestGateway;
let publisher: TestProcess;
const clients: TestClient[] = [];

beforeAll(async () => {
  redis = await startRedis();
  const env = { REDIS_URL: redis.url, DRAIN_PER_SECOND: '1000' };
  [a, b, publisher] = await Promise.all([
    startGateway({ ...env, NODE_NAME: 'a' }),
    startGateway({ ...env, NODE_NAME: 'b' }),
    startPublisher({ REDIS_URL: redis.url, JWT_SECRET: TEST_SECRET }),
  ]);
  await vi.waitFor(async () => expect((await json(a, '/ws/nodes')).nodes).toHaveLength(2), WITHIN);
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(async () => {
  await Promise.all([a?.stop(), b?.stop(), publisher?.stop()]);
  await redis?.stop();
});

async function json(gateway: TestGateway, path: string, options: Parameters<TestGateway['operate']>[1] = {}) {
  const response = await gateway.operate(path, options);
  // biome-ignore lint/suspicious/noExplicitAny: the shape is what is checked
  return (await response.json()) as any;
}

/** Follows a trace until it holds all of these. */
async function traced(response: Response, ...wanted: string[]): Promise<string> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder();
  let text = '';
  while (reader && !wanted.every((each) => text.includes(each))) {
    const { done, value } = await within(reader.read(), `trace with ${wanted.join(', ')}`, { seen: () => text });
    if (done) break;
    text += decoder.decode(value, { stream: true });
  }
  await reader?.cancel();
  return text;
}

async function signedIn(gateway: TestGateway, user: string, claims: Record<string, unknown> = {}): Promise<TestClient> {
  const client = await connect(gateway.wsUrl, {
    token: mintToken({ user_id: user, role: 'LANDLORD', properties: ['1', '2'], ...claims }),
  });
  clients.push(client);
  await client.next('AUTHENTICATED');
  return client;
}

describe('the operators’ port', () => {
  it.each([
    '/ws/stats',
    '/ws/nodes',
    '/ws/rooms',
    '/ws/connections',
    '/ws/connections/a-1',
    '/ws/presence',
    '/ws/trace?user=x',
  ])('refuses GET %s without an operator’s token, and with a client’s', async (path) => {
    expect((await fetch(`${a.operatorUrl}${path}`)).status).toBe(401);
    const authorization = `Bearer ${mintToken({ user_id: 'hr', role: 'ADMIN' })}`;
    expect((await fetch(`${a.operatorUrl}${path}`, { headers: { authorization } })).status).toBe(401);
  });

  it('takes an operator’s token of another secret only where that is configured', async () => {
    const authorization = `Bearer ${mintOperatorToken('operator', { secret: 'x'.repeat(40) })}`;
    expect((await fetch(`${a.operatorUrl}/ws/stats`, { headers: { authorization } })).status).toBe(401);
  });

  it('and the clients’ are two doors: an operator’s token opens no connection, however much it may otherwise', async () => {
    const token = mintToken({ user_id: 'operator', role: 'ADMIN', properties: '*', aud: 'belfry-operators' });
    const client = await connect(a.wsUrl, { token });
    expect(await client.next('ERROR')).toMatchObject({
      code: 'token_invalid',
      message: 'the token is meant for operators',
    });
    const headers = { authorization: `Bearer ${token}` };
    for (const path of ['state?channel=global', 'events?channel=global', 'stream?channel=global', 'preferences']) {
      expect((await fetch(`${a.url}/v1/${path}`, { headers })).status).toBe(401);
    }
    expect((await fetch(`${publisher.url}/v1/portfolio`, { headers })).status).toBe(401);
  });

  it('refuses an operator whose token was revoked on publishers too', async () => {
    const headers = { authorization: `Bearer ${mintOperatorToken('operator-8')}` };
    const jobs = async () => (await fetch(`${publisher.operatorUrl}/jobs`, { headers })).status;
    expect(await jobs()).toBe(200);
    await json(a, '/ws/revoke', { body: { user_id: 'operator-8' } });
    expect(await jobs()).toBe(401);
  });

  it('refuses an operator whose token was revoked', async () => {
    const authorization = `Bearer ${mintOperatorToken('operator-9')}`;
    const stats = async () => (await fetch(`${b.operatorUrl}/ws/stats`, { headers: { authorization } })).status;
    expect(await stats()).toBe(200);
    await json(a, '/ws/revoke', { body: { user_id: 'operator-9' } });
    expect(await stats()).toBe(401);
  });

  it('answers bad input with what is wrong', async () => {
    const body = (value: unknown) => a.operate('/ws/notify-user', { body: value });
    expect((await body({ user_id: 'landlord-7' })).status).toBe(400);
    expect((await body({ user_id: 'a b', message: 'x' })).status).toBe(400);
    expect((await body([])).status).toBe(400);
    expect((await a.operate('/ws/rebalance', { body: { share: 7 } })).status).toBe(400);
    expect((await a.operate('/ws/rooms?top=0')).status).toBe(400);
    expect((await a.operate('/ws/presence?channel=nowhere')).status).toBe(400);
    expect((await a.operate('/ws/connections/nobody')).status).toBe(404);
    expect((await a.operate('/ws/nothing')).status).toBe(404);
  });
});

describe('looking into the cluster', () => {
  it('counts connections, users and rooms over all gateways', async () => {
    const one = await signedIn(a, 'landlord-1');
    const two = await signedIn(b, 'landlord-2');
    for (const client of [one, two]) {
      client.send({ type: 'SUBSCRIBE', property_id: '1' });
      await client.next('SUBSCRIBED');
    }
    await vi.waitFor(
      async () =>
        expect((await json(a, '/ws/stats')).cluster).toMatchObject({
          nodes: 2,
          active_connections: 2,
          authenticated_connections: 2,
        }),
      WITHIN,
    );
    expect(await json(a, '/ws/stats')).toMatchObject({
      node: 'a',
      active_connections: 1,
      unique_properties: 1,
      running: true,
    });
    const { rooms, missing } = await json(b, '/ws/rooms?top=2');
    expect(missing).toEqual([]);
    expect(rooms).toContainEqual({ channel: 'property:1', followers: 2, nodes: 2 });
  });

  it('finds connections by user and channel, page by page, and shows one in detail', async () => {
    for (let n = 0; n < 5; n += 1) await signedIn(n % 2 ? a : b, `landlord-${n}`);
    const first = await json(a, '/ws/connections?limit=2');
    expect(first).toMatchObject({ total: 5 });
    expect(first.connections).toHaveLength(2);
    const seen = new Set<string>(first.connections.map(({ user_id }: { user_id: string }) => user_id));
    for (let next = first.next; next; ) {
      const page = await json(b, `/ws/connections?limit=2&after=${next}`);
      for (const { user_id } of page.connections) seen.add(user_id);
      next = page.next;
    }
    expect(seen.size).toBe(5);
    const { connections } = await json(a, '/ws/connections?user=landlord-2&channel=user:landlord-2');
    expect(connections).toHaveLength(1);
    const details = await json(a, `/ws/connections/${connections[0].connection_id}`);
    expect(details).toMatchObject({
      node: 'b',
      user_id: 'landlord-2',
      role: 'LANDLORD',
      buffered_bytes: 0,
      messages_per_minute: 0,
      messages_left: 100,
    });
    expect(Object.keys(details.subscriptions)).toContain('role:everyone');
  });

  it('tells who is connected and who watches a channel, whichever gateway is asked', async () => {
    const one = await signedIn(a, 'present');
    await signedIn(b, 'present');
    one.send({ type: 'SUBSCRIBE', property_id: '1' });
    await one.next('SUBSCRIBED');
    await vi.waitFor(async () => {
      const { connections, nodes } = await json(b, '/ws/presence?user=present');
      expect([connections, nodes.sort()]).toEqual([2, ['a', 'b']]);
      expect(await json(b, '/ws/presence?channel=property:1')).toMatchObject({
        subscribers: 1,
        nodes: [{ node: 'a' }],
      });
    }, WITHIN);
    const everybody = (await (await b.operate('/ws/presence')).text()).trim().split('\n');
    expect(everybody.map((line) => JSON.parse(line))).toContainEqual(
      expect.objectContaining({ user_id: 'present', connections: 2 }),
    );
    expect(await json(b, '/ws/presence?user=nobody')).toMatchObject({ connections: 0, nodes: [] });
  });

  it('traces what a board pushes', async () => {
    const client = await signedIn(b, 'traced-too', { role: 'HR' });
    client.send({ type: 'SUBSCRIBE', channel: 'state:tasks' });
    await client.next('SUBSCRIBED');
    const response = await a.operate('/ws/trace?user=traced-too&seconds=60');
    const update = { channel: 'state:tasks', type: 'STATE_UPDATE', key: 'boiler', document: { done: 3 } };
    const headers = { 'content-type': 'application/json' };
    await fetch(`${publisher.url}/v1/events`, { method: 'POST', headers, body: JSON.stringify(update) });
    expect(await traced(response, 'boiler')).toContain('STATE_UPDATE');
  });

  it('traces a user’s frames on another gateway, without the token', async () => {
    const client = await signedIn(b, 'traced');
    const response = await a.operate('/ws/trace?user=traced&seconds=60');
    client.send({ type: 'AUTHENTICATE', token: mintToken({ user_id: 'traced' }) });
    client.send({ type: 'PING', ref: 'hello' });
    await client.next('PONG');
    const text = await traced(response, 'PONG');
    const lines = text
      .slice(0, text.lastIndexOf('\n'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(lines[0]).toMatchObject({ tracing: 'traced', missing: [] });
    expect(text).toContain('[redacted]');
    expect(lines.some(({ direction, frame }) => direction === 'in' && frame.includes('hello'))).toBe(true);
    expect(lines.some(({ direction, frame }) => direction === 'out' && frame.includes('PONG'))).toBe(true);
    expect(text).not.toMatch(/eyJ[\w-]+\.eyJ/);
  });
});

describe('acting on the cluster', () => {
  it('disconnects one connection, and every connection of a user, on any gateway', async () => {
    const one = await signedIn(a, 'landlord-7');
    const two = await signedIn(b, 'landlord-7');
    const { connections } = await json(b, '/ws/connections?user=landlord-7&limit=1');
    expect(await json(b, `/ws/connections/${connections[0].connection_id}`, { method: 'DELETE' })).toMatchObject({
      disconnected: 1,
    });
    expect(await json(a, '/ws/disconnect-user', { body: { user_id: 'landlord-7' } })).toMatchObject({
      disconnected: 1,
      missing: [],
    });
    expect([(await one.closed).code, (await two.closed).code]).toEqual([4002, 4002]);
  });

  it('revokes a user’s tokens: connections are gone, the tokens are refused everywhere, newer ones are good', async () => {
    const token = mintToken({ user_id: 'landlord-8', iat: Math.floor(Date.now() / 1000) - 10 });
    const old = await connect(b.wsUrl, { token });
    await old.next('AUTHENTICATED');
    // Not how many were disconnected: a gateway may have heard of it with its heartbeat before it was asked.
    expect(await json(a, '/ws/revoke', { body: { user_id: 'landlord-8' } })).toMatchObject({ missing: [] });
    expect((await old.closed).code).toBe(4102);
    for (const gateway of [a, b]) {
      const again = await connect(gateway.wsUrl, { token });
      expect(await again.next('ERROR')).toMatchObject({
        code: 'token_invalid',
        message: expect.stringMatching(/revoked/),
      });
      await again.closed;
    }
    await signedIn(b, 'landlord-8', { iat: Math.floor(Date.now() / 1000) + CLOCK_TOLERANCE_SECONDS + 2 });
  });

  it('says of a revoked user how many connections stay because their tokens are newer, and what is newer', async () => {
    const now = Math.floor(Date.now() / 1_000);
    const old = await signedIn(a, 'landlord-11', { iat: now });
    const newer = await signedIn(b, 'landlord-11', { iat: now + 3_600 });
    const outcome = await json(a, '/ws/revoke', { body: { user_id: 'landlord-11' } });
    expect(outcome).toMatchObject({ kept: 1, missing: [] });
    expect(outcome.issued_until).toBeGreaterThan(now + CLOCK_TOLERANCE_SECONDS - 1);
    expect(outcome.issued_until).toBeLessThan(now + CLOCK_TOLERANCE_SECONDS + 60);
    expect((await old.closed).code).toBe(4102);
    await newer.settled();
    const ofToken = await json(a, '/ws/revoke', { body: { jti: 'nobody-s' } });
    expect(ofToken).toEqual({ disconnected: 0, missing: [] });
  });

  it('revokes one token by its id and leaves the user’s others', async () => {
    const lost = await signedIn(a, 'landlord-9', { jti: 'lost-phone' });
    const kept = await signedIn(b, 'landlord-9', { jti: 'laptop' });
    await json(b, '/ws/revoke', { body: { jti: 'lost-phone' } });
    expect((await lost.closed).code).toBe(4102);
    await kept.settled();
  });

  it('notifies a user on all gateways, and everybody', async () => {
    const one = await signedIn(a, 'landlord-7');
    const two = await signedIn(b, 'landlord-7');
    const other = await signedIn(b, 'landlord-6');
    expect(
      await json(a, '/ws/notify-user', { body: { user_id: 'landlord-7', message: 'Call us', severity: 'high' } }),
    ).toMatchObject({
      channel: 'user:landlord-7',
      connections: 2,
    });
    for (const client of [one, two]) {
      expect(await client.next('SYSTEM_NOTIFICATION')).toMatchObject({
        message: 'Call us',
        severity: 'high',
        channel: 'user:landlord-7',
      });
    }
    await json(b, '/ws/broadcast', { body: { message: 'Maintenance at nine' } });
    for (const client of [one, two, other]) {
      expect(await client.next('SYSTEM_NOTIFICATION')).toMatchObject({
        message: 'Maintenance at nine',
        channel: 'role:everyone',
      });
    }
  });

  it('rebalances one gateway, and leaves the others’ clients', async () => {
    const stays = await signedIn(a, 'landlord-7');
    const goes = await signedIn(b, 'landlord-7');
    expect((await a.operate('/ws/rebalance', { body: { share: 1, node: 'c' } })).status).toBe(404);
    expect(await json(a, '/ws/rebalance', { body: { share: 1, node: 'b' } })).toMatchObject({ going: 1, missing: [] });
    expect((await goes.closed).code).toBe(4200);
    await stays.settled();
  });

  it('rebalances: a share of the clients is told to come back and let go', async () => {
    const client = await signedIn(a, 'landlord-7');
    expect(await json(b, '/ws/rebalance', { body: { share: 1 } })).toMatchObject({ going: 1 });
    await client.next('GOING_AWAY');
    expect((await client.closed).code).toBe(4200);
  });

  it('leaves an audit line of every act, also one that failed, and of every trace, but of no other look', async () => {
    // The last of them both write after all the others; what a process has written is read a moment later.
    for (const gateway of [a, b])
      expect((await gateway.operate('/ws/rebalance', { body: { share: 8 } })).status).toBe(400);
    const isLast = ({ audit, body }: LogLine) => audit === true && (body as { share?: number }).share === 8;
    for (const gateway of [a, b]) await gateway.logged(isLast);
    const lines = [...a.logs(), ...b.logs()].filter(({ audit }) => audit === true);
    const acts = new Set(lines.map(({ call }) => call));
    expect([...acts].sort()).toEqual([
      'DELETE /ws/connections/{id}',
      'GET /ws/trace',
      'POST /ws/broadcast',
      'POST /ws/disconnect-user',
      'POST /ws/notify-user',
      'POST /ws/rebalance',
      'POST /ws/revoke',
    ]);
    expect(lines.every(({ operator }) => operator === 'operator')).toBe(true);
    expect(lines).toContainEqual(expect.objectContaining({ call: 'POST /ws/rebalance', failed: 'not_found' }));
    expect(lines).toContainEqual(
      expect.objectContaining({ call: 'GET /ws/trace', body: { user: 'traced', seconds: '60' } }),
    );
  });
});

describe('the publisher’s operators’ port', () => {
  const ask = (path: string, options: RequestInit = {}) =>
    fetch(`${publisher.operatorUrl}${path}`, {
      ...options,
      headers: { authorization: `Bearer ${mintOperatorToken('operator')}` },
    });

  it('shows the queues, and is refused without an operator’s token', async () => {
    expect((await fetch(`${publisher.operatorUrl}/jobs`)).status).toBe(401);
    const { queues } = (await (await ask('/jobs')).json()) as { queues: Record<string, unknown> };
    expect(Object.keys(queues)).toEqual(['sources', 'deliveries', 'digests']);
    expect((await ask('/jobs/nothing/failed')).status).toBe(404);
    expect(await (await ask('/jobs/deliveries/failed')).json()).toEqual({ failed: [] });
  });

  it('shows dead letters, and sends one that was mended to the intake', async () => {
    const client = await signedIn(a, 'landlord-1');
    client.send({ type: 'SUBSCRIBE', property_id: '1' });
    await client.next('SUBSCRIBED');
    const connection = redis.connect();
    await connection.xadd('belfry:intake', '*', 'change', '{"property_id":"1","violation_type":"HPD","count":-1}');
    let letters: { id: string; reason: string; fields: Record<string, string> }[] = [];
    await vi.waitFor(async () => {
      letters = ((await (await ask('/dead-letters')).json()) as { entries: typeof letters }).entries;
      expect(letters).toHaveLength(1);
    }, WITHIN);
    expect(letters[0]).toMatchObject({
      reason: expect.stringContaining('count'),
      fields: { change: expect.any(String) },
    });
    const fields = { change: '{"property_id":"1","violation_type":"HPD","count":1}' };
    expect(
      (await ask(`/dead-letters/${letters[0]?.id}/resend`, { method: 'POST', body: JSON.stringify({ fields }) }))
        .status,
    ).toBe(200);
    expect(await client.next('VIOLATION_UPDATE')).toMatchObject({ count: 1 });
    expect(await (await ask('/dead-letters')).json()).toMatchObject({ total: 0 });
  });
});

describe('a gateway that is gone', () => {
  it('is waited for no longer than the deadline, and named; then forgotten', async () => {
    const c = await startGateway({ REDIS_URL: redis.url, NODE_NAME: 'c' });
    await vi.waitFor(async () => expect((await json(a, '/ws/nodes')).nodes).toHaveLength(3), WITHIN);
    await c.kill();
    expect((await json(a, '/ws/rooms')).missing).toEqual(['c']);
    await vi.waitFor(async () => expect((await json(a, '/ws/nodes')).nodes).toHaveLength(2), WITHIN);
  });
});

describe('while Redis takes no writes', () => {
  it('no call says that all gateways acted when they could not say what they did', async () => {
    const client = await signedIn(b, 'landlord-full');
    const admin = redis.connect();
    await admin.config('SET', 'maxmemory', '1');
    try {
      const act = () => a.operate('/ws/disconnect-user', { body: { user_id: 'landlord-full' } });
      // As long as the other one is remembered it is named as one that did not answer; then nobody knows who there is.
      const answers: { status: number; missing: unknown }[] = [];
      await vi.waitFor(
        async () => {
          const response = await act();
          const { missing } = (await response.json()) as { missing?: unknown };
          answers.push({ status: response.status, missing });
          expect(await admin.exists('belfry:{cluster}:node:b')).toBe(0);
        },
        { timeout: 40_000, interval: 500 },
      );
      const after = await act();
      answers.push({ status: after.status, missing: ((await after.json()) as { missing?: unknown }).missing });
      expect(answers.filter(({ missing, status }) => status === 200 && String(missing) !== 'b')).toEqual([]);
      expect(answers.at(-1)?.status).toBe(503);
    } finally {
      await admin.config('SET', 'maxmemory', '0');
    }
    await vi.waitFor(async () => expect((await json(a, '/ws/nodes')).nodes).toHaveLength(2), WITHIN);
    await client.closed;
  }, 120_000);
});

describe('a ticket', () => {
  it('stands for a token in a URL, once, on any gateway', async () => {
    const authorization = `Bearer ${mintToken({ user_id: 'landlord-7' })}`;
    const response = await fetch(`${a.url}/v1/tickets`, { method: 'POST', headers: { authorization } });
    expect(response.status).toBe(201);
    const { ticket } = (await response.json()) as { ticket: string };
    const client = await connect(`${b.wsUrl}?token=${ticket}`);
    clients.push(client);
    expect(await client.next('AUTHENTICATED')).toMatchObject({ user_id: 'landlord-7' });
    const second = await connect(`${a.wsUrl}?token=${ticket}`);
    expect(await second.next('ERROR')).toMatchObject({
      code: 'token_invalid',
      message: expect.stringMatching(/ticket/),
    });
    await second.closed;
  });
});
