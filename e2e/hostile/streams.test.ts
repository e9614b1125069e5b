/** Event streams are sessions like any other: they end with their token, count against the same limits, and say who they are. */
import {
  eventually,
  mintToken,
  startGateway,
  startRedis,
  type TestGateway,
  type TestRedis,
  within,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

let redis: TestRedis;
let gateway: TestGateway;
const opened: AbortController[] = [];

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGateway({
    REDIS_URL: redis.url,
    ACCESS_POLICY: 'authenticated',
    MAX_CONNECTIONS_PER_USER: '2',
    AUTH_COOKIE: 'belfry',
    ALLOWED_ORIGINS: 'https://dashboard.example',
  });
});
afterEach(() => {
  for (const each of opened.splice(0)) each.abort();
});
afterAll(async () => {
  await gateway?.stop();
  await redis?.stop();
});

interface Stream {
  readonly status: number;
  text(): string;
  /** Resolves when the gateway has ended it. */
  readonly ended: Promise<void>;
}

async function open(token: string, headers: Record<string, string> = { authorization: `Bearer ${token}` }, query = '') {
  const controller = new AbortController();
  opened.push(controller);
  const response = await fetch(`${gateway.url}/v1/stream?channel=property:1${query}`, {
    headers,
    signal: controller.signal,
  });
  let text = '';
  async function read(): Promise<void> {
    for await (const chunk of response.body ?? []) text += Buffer.from(chunk).toString('utf8');
  }
  // One that the test itself hangs up on ends with an error.
  const ended = read().catch(() => undefined);
  const stream: Stream = { status: response.status, text: () => text, ended };
  if (response.status === 200) await eventually('a subscription', () => text.includes('SUBSCRIBED'));
  return stream;
}

it('one ends when its token is revoked, and its user opens no other', async () => {
  const token = mintToken({ user_id: 'leaves' });
  const stream = await open(token);
  await gateway.operate('/ws/revoke', { body: { user_id: 'leaves' } });
  await within(stream.ended, 'end of the stream');
  expect((await open(token)).status).toBe(401);
});

it('one ends when its token does', async () => {
  // At least two seconds: it has to follow its channel before that.
  const stream = await open(mintToken({ user_id: 'short' }, { expiresInSeconds: 3 }));
  expect(stream.status).toBe(200);
  await within(stream.ended, 'end of the stream');
  expect(stream.text()).toContain('event: close');
});

it('they are connections of their user: one too many is ended with the reason', async () => {
  const token = mintToken({ user_id: 'greedy' });
  await open(token);
  await open(token);
  const third = await fetch(`${gateway.url}/v1/stream?channel=property:1`, {
    headers: { authorization: `Bearer ${token}` },
  });
  expect(await within(third.text(), 'end of the third')).not.toContain('SUBSCRIBED');
});

it('a ticket opens one, once', async () => {
  const headers = { authorization: `Bearer ${mintToken({ user_id: 'ticketed' })}` };
  const response = await fetch(`${gateway.url}/v1/tickets`, { method: 'POST', headers });
  const { ticket } = (await response.json()) as { ticket: string };
  expect((await open('', {}, `&token=${ticket}`)).status).toBe(200);
  expect((await open('', {}, `&token=${ticket}`)).status).toBe(401);
});

it.each([
  ['a foreign page, with the user’s cookie', { origin: 'https://elsewhere.example' }, 403],
  ['a page that hides its origin, with the user’s cookie', { 'sec-fetch-site': 'cross-site' }, 401],
])('%s opens none', async (_, headers: Record<string, string>, status) => {
  const cookie = `belfry=${mintToken({ user_id: 'landlord-7' })}`;
  expect((await open('', { ...headers, cookie })).status).toBe(status);
});
