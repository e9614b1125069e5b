/** What an adversary tries: input that would end a process, hold up the intake, or reach readers in another shape. */
import {
  connect,
  eventually,
  mintOperatorToken,
  mintToken,
  openTestLog,
  startGateway,
  startPublisher,
  startRedis,
  type TestGateway,
} from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const CHANNEL = 'property:1012650001';

let redis: Awaited<ReturnType<typeof startRedis>>;
let gateway: TestGateway;
let publisher: Awaited<ReturnType<typeof startPublisher>>;
let log: ReturnType<typeof openTestLog>;
const admin = mintToken({ user_id: 'admin', role: 'ADMIN' });

beforeAll(async () => {
  redis = await startRedis();
  [gateway, publisher] = await Promise.all([
    startGateway({ REDIS_URL: redis.url }),
    startPublisher({ REDIS_URL: redis.url }),
  ]);
  log = openTestLog(redis.url);
});
afterAll(async () => {
  log.close();
  await Promise.all([gateway.stop(), publisher.stop()]);
  await redis.stop();
});

/** Nothing unexpected was logged: a process that ends by itself says so first. */
async function expectAlive(): Promise<void> {
  expect(gateway.logs().filter(({ level }) => level === 'fatal')).toEqual([]);
  expect((await fetch(`${gateway.operatorUrl}/livez`)).status).toBe(200);
}

/** Reads a stream of Server-Sent Events until `count` data lines of `type` came. */
async function readStream(query: string, headers: Record<string, string>, type: string): Promise<string> {
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(new Error(`no ${type}`)), 15_000);
  const response = await fetch(`${gateway.url}/v1/stream?${query}`, { headers, signal: abort.signal });
  let text = '';
  const decoder = new TextDecoder();
  try {
    for await (const chunk of response.body as AsyncIterable<Uint8Array>) {
      text += decoder.decode(chunk, { stream: true });
      if (text.includes(`"type":"${type}"`)) return text;
    }
    return text;
  } finally {
    clearTimeout(timer);
    abort.abort();
  }
}

describe('a gateway', () => {
  it('runs no command that was queued behind the one that ended its session', async () => {
    const client = await connect(gateway.wsUrl, { token: admin });
    client.send({ type: 'SUBSCRIBE', channel: CHANNEL });
    await client.next('SUBSCRIBED');
    const holder = await connect(gateway.wsUrl, { token: admin });
    holder.send({ type: 'SUBSCRIBE', channel: CHANNEL });
    await holder.next('SUBSCRIBED');
    // A ticket is looked up in Redis: the commands behind it wait.
    client.send({ type: 'AUTHENTICATE', token: `ticket-${'x'.repeat(32)}` });
    for (let n = 0; n < 2; n += 1) client.send({ type: 'AUTHENTICATE', token: 'wrong' });
    client.send({ type: 'SUBSCRIBE', channel: CHANNEL });
    client.send({ type: 'SUBSCRIBE', channel: 'property:1012650002' });
    expect((await client.closed).code).toBe(4103);
    await holder.settled();
    await expectAlive();
    await holder.close();
  });

  it('outlives a log entry and a snapshot that are not JSON, also where a stream reads them', async () => {
    const [first] = await log.append('property:1', [{ count: 1 }, { count: 2 }], 'k');
    const raw = redis.connect();
    const last = (await raw.xrevrange('belfry:{property:1}:log', '+', '-', 'COUNT', 1))[0]?.[0] as string;
    const [epoch] = last.split('-');
    await raw.xadd(
      'belfry:{property:1}:log',
      `${epoch}-*`,
      'd',
      '{"channel":"property:1","type":"X", broken',
      'i',
      '0-1',
    );
    await raw.hset('belfry:{property:1}:snapshot', 'k', '{"id":"broken');
    const headers = { authorization: `Bearer ${admin}` };
    await readStream('channel=property:1', { ...headers, 'last-event-id': `property:1@${first}` }, 'SUBSCRIBED');
    await readStream('channel=property:1', { ...headers, 'last-event-id': `property:1@1-1` }, 'STATE');
    await expectAlive();
  });

  it('lets a ticket open a stream', async () => {
    const { ticket } = (await (
      await fetch(`${gateway.url}/v1/tickets`, { method: 'POST', headers: { authorization: `Bearer ${admin}` } })
    ).json()) as { ticket: string };
    expect(await readStream(`channel=${CHANNEL}&token=${ticket}`, {}, 'SUBSCRIBED')).toContain('"SUBSCRIBED"');
  });

  it('lets no trace outlive its operator in Redis', async () => {
    const abort = new AbortController();
    const response = await fetch(`${gateway.operatorUrl}/ws/trace?user=admin&seconds=30`, {
      headers: { authorization: `Bearer ${mintOperatorToken()}` },
      signal: abort.signal,
    });
    await response.body?.getReader().read();
    abort.abort();
    const client = await connect(gateway.wsUrl, { token: admin });
    const raw = redis.connect();
    const key = await eventually('a traced frame', async () => {
      await client.settled();
      return (await raw.keys('belfry:{cluster}:trace:*'))[0];
    });
    expect(await raw.ttl(key)).toBeGreaterThan(0);
    await expectAlive();
    await client.close();
  });
});

describe('the intake', () => {
  it('puts aside an entry that is nested too deeply, and goes on', async () => {
    const raw = redis.connect();
    const deep = `{"channel":"${CHANNEL}","type":"deep","a":${'['.repeat(200_000)}${']'.repeat(200_000)}}`;
    await raw.xadd('belfry:intake', '*', 'event', deep);
    const client = await connect(gateway.wsUrl, { token: admin });
    client.send({ type: 'SUBSCRIBE', channel: CHANNEL });
    await client.next('SUBSCRIBED');
    await raw.xadd('belfry:intake', '*', 'event', JSON.stringify({ channel: CHANNEL, type: 'after_deep' }));
    await client.next('after_deep');
    // Of another share, perhaps, and then not before what the property gets.
    await eventually('one dead letter', async () => (await raw.xlen('belfry:intake:dead')) === 1);
    await client.close();
  });

  it('brings an event whose fields look like numbers to `global` as it is', async () => {
    const client = await connect(gateway.wsUrl, { token: admin });
    client.send({ type: 'SUBSCRIBE', channels: ['global', CHANNEL] });
    await client.take(2, 'SUBSCRIBED');
    const raw = redis.connect();
    await raw.xadd('belfry:intake', '*', 'event', JSON.stringify({ channel: CHANNEL, type: 'numbered', 7: 'seven' }));
    const seen = await client.take(2, 'numbered');
    expect(seen.map(({ channel, 7: seven }) => [channel, seven]).sort()).toEqual([
      ['global', 'seven'],
      [CHANNEL, 'seven'],
    ]);
    await client.close();
  });
});
