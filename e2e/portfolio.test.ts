/** Portfolios with real processes: written over HTTP, counted by publishers, received by whoever is connected. */
import {
  connect,
  eventually,
  type Frame,
  mintToken,
  startGateway,
  startPublisher,
  startRedis,
  TEST_SECRET,
  type TestClient,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

const OWN = ['1012650001', '1012650002', '3012340001'];
const PATIENCE = { deadlineMs: 30_000 };
const LEASE_MS = 500;

let redis: TestRedis;
let gateway: TestGateway;
let publishers: TestProcess[] = [];
const clients: TestClient[] = [];

const start = (): Promise<TestProcess> =>
  startPublisher({
    REDIS_URL: redis.url,
    JWT_SECRET: TEST_SECRET,
    PUBLISHER_TOKEN: 'for-services',
    PORTFOLIO_MAX_PROPERTIES: '5',
    ALLOWED_ORIGINS: 'https://dashboard.example',
    ALERTS_ENABLED: 'false',
    INTAKE_LEASE_MS: String(LEASE_MS),
  });

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGateway({ REDIS_URL: redis.url });
  publishers = [await start()];
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.close()));
});
afterAll(async () => {
  await Promise.all([gateway, ...publishers].map((each) => each?.stop()));
  await redis?.stop();
});

const any = (): TestProcess => publishers[Math.floor(Math.random() * publishers.length)] as TestProcess;
const tokenOf = (user: string, role = 'LANDLORD', properties: unknown = OWN) =>
  mintToken({ user_id: user, role, properties });

async function ask(path: string, token: string, body?: unknown, more: RequestInit = {}) {
  const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json', ...more.headers };
  const put = body === undefined ? {} : { method: 'PUT', body: JSON.stringify(body) };
  const response = await fetch(`${any().url}${path}`, { ...put, ...more, headers });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Frame };
}

const keep = async (user: string, properties: readonly string[], token = tokenOf(user, 'MANAGER', '*')) => {
  const { status } = await ask('/v1/portfolio', token, { properties });
  expect(status).toBe(200);
};

async function report(...changes: readonly object[]): Promise<void> {
  const response = await fetch(`${any().url}/v1/changes`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: 'Bearer for-services' },
    body: JSON.stringify(changes),
  });
  expect(response.status).toBe(202);
}
const hpd = (property: string, ...severities: readonly string[]) => ({
  property_id: property,
  violation_type: 'HPD',
  violations: severities.map((severity, n) => ({ number: `${property}-${n}`, severity })),
});

async function sitDown(user: string, token = tokenOf(user, 'MANAGER', '*')): Promise<TestClient> {
  const client = await connect(gateway.wsUrl, { token });
  clients.push(client);
  await client.next('AUTHENTICATED');
  return client;
}
const kpis = (client: TestClient, expected: Record<string, unknown>): Promise<Frame> =>
  client.next(
    'kpi:update',
    (frame) => Object.entries(expected).every(([name, value]) => frame[name] === value),
    PATIENCE,
  );

const eventsOf = async (user: string): Promise<number> => redis.connect().xlen(`belfry:{user:${user}}:log`);

it('a connected user gets the figures of the portfolio, and new ones when a property changes', async () => {
  const client = await sitDown('landlord-7');
  await keep('landlord-7', OWN);
  expect(await kpis(client, { properties: 3 })).toMatchObject({
    open_violations: 0,
    critical: 0,
    new_24h: 0,
    resolved_24h: 0,
    by_type: {},
    by_quarter: [],
  });
  await report(
    { ...hpd('1012650001', 'critical', 'low'), baseline: true },
    { property_id: '3012340001', violation_type: 'ECB', count: 3, severity: 'critical' },
    hpd('9999999999', 'critical'),
  );
  expect(await kpis(client, { open_violations: 5 })).toMatchObject({
    channel: 'user:landlord-7',
    properties: 3,
    critical: 4,
    // What was there when a property was first read is not new.
    new_24h: 3,
    by_type: {
      ECB: { open_violations: 3, critical: 3, new_24h: 3, resolved_24h: 0 },
      HPD: { open_violations: 2, critical: 1, new_24h: 0, resolved_24h: 0 },
    },
  });
  await report(hpd('1012650001'));
  expect(await kpis(client, { open_violations: 3 })).toMatchObject({ critical: 3, new_24h: 3, resolved_24h: 2 });
  const { body } = await ask('/v1/kpis', tokenOf('landlord-7'));
  expect(body).toMatchObject({ properties: 3, open_violations: 3, critical: 3, new_24h: 3, resolved_24h: 2 });
  const quarters = body.by_quarter as [at: number, added: number, resolved: number][];
  expect(quarters.reduce((sum, [, added]) => sum + added, 0)).toBe(3);
  expect(quarters.reduce((sum, [, , resolved]) => sum + resolved, 0)).toBe(2);
});

it('in a burst they come at most once a second, and the last ones are exact', { timeout: 120_000 }, async () => {
  publishers.push(await start());
  await keep('landlord-8', ['1000000001', '1000000002']);
  const client = await sitDown('landlord-8');
  await kpis(client, { properties: 2 });
  const until = Date.now() + 3_000;
  let last = 0;
  while (Date.now() < until) {
    last += 1;
    await report(
      { property_id: '1000000001', violation_type: 'HPD', count: last },
      { property_id: '1000000002', violation_type: 'DOB', count: 2 * last },
    );
  }
  await kpis(client, { open_violations: 3 * last });
  const times = client.received.filter(({ type }) => type === 'kpi:update').map(({ timestamp }) => timestamp as number);
  expect(times.length).toBeGreaterThan(2);
  const pauses = times.slice(1).map((time, n) => time - (times[n] as number));
  expect(Math.min(...pauses)).toBeGreaterThanOrEqual(0.99);
  await client.settled();
  expect(client.received.findLast(({ type }) => type === 'kpi:update')?.open_violations).toBe(3 * last);
});

it('nothing is counted for who is away, and who comes gets fresh figures', async () => {
  await keep('landlord-9', ['1000000003']);
  const there = await sitDown('landlord-9');
  await kpis(there, { open_violations: 0 });
  await there.close();
  const presence = redis.connect();
  await eventually(
    'that they are gone',
    async () => !(await presence.hexists('belfry:{belfry:occupancy}:occupied', 'user:landlord-9')),
  );
  const before = await eventsOf('landlord-9');
  const witness = await sitDown('landlord-10');
  await keep('landlord-10', ['1000000003']);
  await report({ property_id: '1000000003', violation_type: 'HPD', count: 7 });
  await kpis(witness, { open_violations: 7 });
  expect(await eventsOf('landlord-9')).toBe(before);
  await kpis(await sitDown('landlord-9'), { open_violations: 7 });
});

it('a killed publisher is replaced, and what changed meanwhile is counted', { timeout: 240_000 }, async () => {
  const client = await sitDown('landlord-11');
  await keep('landlord-11', ['1000000004'], tokenOf('landlord-11', 'ADMIN'));
  await kpis(client, { properties: 1, open_violations: 0 });
  for (let round = 1; round <= 3; round += 1) {
    publishers.push(await start());
    const victims = publishers.splice(0, publishers.length - 1);
    await report({ property_id: '1000000004', violation_type: 'HPD', count: round });
    await Promise.all(victims.map((victim) => victim.kill()));
    await kpis(client, { open_violations: round });
  }
  // All of them at once, so that nobody follows for a while.
  await Promise.all(publishers.splice(0).map((victim) => victim.kill()));
  publishers.push(await start());
  await report({ property_id: '1000000004', violation_type: 'HPD', count: 9 });
  await kpis(client, { open_violations: 9 });
});

it('a portfolio is the user’s own, and holds what the token allows only', async () => {
  const token = tokenOf('landlord-12');
  expect((await ask('/v1/portfolio', token)).body).toEqual({ properties: [], updated_at: 0 });
  expect((await ask('/v1/portfolio', 'for-services')).status).toBe(401);
  expect(await ask('/v1/portfolio', token, { properties: [...OWN, '1012650099'] })).toMatchObject({
    status: 403,
    body: { code: 'forbidden', index: 3 },
  });
  expect((await ask('/v1/portfolio', token, { properties: ['a b'] })).status).toBe(400);
  expect((await ask('/v1/portfolio', tokenOf('tenant', 'TENANT'), { properties: OWN })).status).toBe(403);
  expect(
    (await ask('/v1/portfolio', tokenOf('hr', 'HR'), { properties: ['1', '2', '3', '4', '5', '6'] })).body.message,
  ).toMatch(/more than 5/);
  await keep('landlord-12', OWN);
  await keep('hr', ['2000010001'], tokenOf('hr', 'HR'));
  expect((await ask('/v1/portfolio', token)).body.properties).toEqual(OWN);
  // A token that has become narrower counts what it allows.
  expect((await ask('/v1/kpis', tokenOf('landlord-12', 'LANDLORD', OWN.slice(0, 1)))).body.properties).toBe(1);
  const revoked = await gateway.operate('/ws/revoke', { body: { user_id: 'landlord-12' } });
  expect(revoked.status).toBe(200);
  expect((await ask('/v1/portfolio', token)).status).toBe(401);
});

it('the figures are of what the newest token allows', async () => {
  await keep('landlord-13', ['1000000005', '1000000006']);
  await report({ property_id: '1000000006', violation_type: 'HPD', count: 1 });
  const client = await sitDown('landlord-13', tokenOf('landlord-13', 'LANDLORD', ['1000000005']));
  const noted = async () => redis.connect().hget('belfry:{alerts}:access', 'landlord-13');
  await eventually('the narrower token', async () => (await noted()) === '["1000000005"]');
  await report({ property_id: '1000000005', violation_type: 'HPD', count: 4 });
  expect(await kpis(client, { properties: 1, open_violations: 4 })).toBeDefined();
});

it('portfolios’ properties are watched for as long as somebody has them', async () => {
  const watched = (property: string) => redis.connect().zscore('belfry:{watch}:portfolio', property);
  await keep('hr', ['2000010001', '2000010002'], tokenOf('hr', 'HR'));
  await keep('admin', ['2000010002'], tokenOf('admin', 'ADMIN'));
  expect(await watched('2000010001')).not.toBeNull();
  await keep('hr', [], tokenOf('hr', 'HR'));
  expect(await watched('2000010001')).toBeNull();
  expect(await watched('2000010002')).not.toBeNull();
});

it('pages of the named origins may ask, and no others', async () => {
  const preflight = (origin: string) => fetch(`${any().url}/v1/kpis`, { method: 'OPTIONS', headers: { origin } });
  const named = await preflight('https://dashboard.example');
  expect(named.status).toBe(204);
  expect(named.headers.get('access-control-allow-origin')).toBe('https://dashboard.example');
  expect((await preflight('https://elsewhere.example')).headers.get('access-control-allow-origin')).toBeNull();
  const refused = await ask('/v1/kpis', 'no token', undefined, { headers: { origin: 'https://dashboard.example' } });
  expect(refused.status).toBe(401);
  expect(refused.headers.get('access-control-allow-origin')).toBe('https://dashboard.example');
});
