/**
 * What a plain EventSource gets that understands nothing of the protocol: it comes back with `Last-Event-ID` and asks for
 * nothing else. Whatever a gateway cannot give at once has to come by itself, and no `id:` may pass it over.
 */
import {
  mintToken,
  openTestLog,
  startGateway,
  startRedis,
  type TestGateway,
  type TestLog,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const SOON = { timeout: 20_000 };
const PATH = '/v1/stream?channel=property:1';
const OWN = ['property:1', 'user:landlord-7'] as const;
const token = mintToken({ user_id: 'landlord-7', role: 'LANDLORD', properties: ['1'] });

let redis: TestRedis;
let log: TestLog;
let gateway: TestGateway;
/** Where clients were before: a gateway that has nothing of their channels in memory cannot answer without Redis. */
let another: TestGateway;

beforeAll(async () => {
  redis = await startRedis();
  log = openTestLog(redis.url);
  const settings = {
    REDIS_URL: redis.url,
    SUBSCRIBE_WAIT_SECONDS: '1',
    RATE_LIMIT_REPLAYED_EVENTS: '10',
    RATE_LIMIT_WINDOW_SECONDS: '4',
    RATE_LIMIT_REQUESTS: '100000',
  };
  gateway = await startGateway(settings);
  another = await startGateway(settings);
});
afterAll(async () => {
  log?.close();
  await Promise.all([gateway?.stop(), another?.stop()]);
  await redis?.stop();
});

interface Told {
  readonly id: string;
  readonly data: Readonly<Record<string, unknown>>;
}

async function openStream({ url }: TestGateway, lastEventId?: string) {
  const stop = new AbortController();
  const response = await fetch(`${url}${PATH}`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }),
    },
    signal: stop.signal,
  });
  const told: Told[] = [];
  const ended = (async () => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      const blocks = (text + decoder.decode(chunk, { stream: true })).split('\n\n');
      text = blocks.pop() ?? '';
      for (const block of blocks) {
        const data = /^data: (.*)$/m.exec(block)?.[1];
        if (data) told.push({ id: /^id: (.*)$/m.exec(block)?.[1] ?? '', data: JSON.parse(data) });
      }
    }
  })().catch(() => undefined);
  const of = (channel: string, type: string) =>
    told.map(({ data }) => data).filter((data) => data.channel === channel && data.type === type);
  const numbers = (channel: string) => of(channel, 'VIOLATION_UPDATE').map(({ n }) => n);
  return {
    told,
    of,
    numbers,
    has: (type: string, ...channels: readonly string[]) =>
      vi.waitFor(() => {
        for (const channel of channels) expect([channel, of(channel, type).length]).toEqual([channel, 1]);
      }, SOON),
    gets: (channel: string, expected: readonly number[]) =>
      vi.waitFor(() => expect([channel, ...numbers(channel)]).toEqual([channel, ...expected]), SOON),
    /** What it would come back with. */
    lastId: () => told.at(-1)?.id ?? '',
    close: async () => {
      stop.abort();
      await ended;
    },
  };
}

const positionsIn = (id: string) => id.split(' ').sort();

/** Has been here, and has gone with what it had; then three events come on each of its channels. */
async function leaveAndMiss(first: number): Promise<string> {
  const before = await openStream(another);
  await before.has('SUBSCRIBED', ...OWN);
  const lastEventId = before.lastId();
  await before.close();
  for (const channel of OWN) await log.append(channel, [{ n: first }, { n: first + 1 }, { n: first + 2 }]);
  return lastEventId;
}

async function expectAll(stream: Awaited<ReturnType<typeof openStream>>, first: number): Promise<void> {
  for (const channel of OWN) await stream.gets(channel, [first, first + 1, first + 2]);
  for (const channel of OWN) await log.append(channel, [{ n: first + 3 }]);
  for (const channel of OWN) await stream.gets(channel, [first, first + 1, first + 2, first + 3]);
}

describe('a stream that comes back while Redis is away', () => {
  it('gets all that was missed once it is there again, asked for or not', async () => {
    const lastEventId = await leaveAndMiss(1);
    redis.freeze();
    const back = await openStream(gateway, lastEventId);
    try {
      await back.has('ERROR', ...OWN);
      expect(positionsIn(back.lastId())).toEqual(positionsIn(lastEventId));
    } finally {
      redis.thaw();
    }
    await expectAll(back, 1);
    await back.close();
  });

  it('gets it also where others follow the same channels on that gateway, and have moved on', async () => {
    const before = await openStream(another);
    await before.has('SUBSCRIBED', ...OWN);
    const lastEventId = before.lastId();
    await before.close();
    for (const channel of OWN) await log.append(channel, [{ n: 11 }, { n: 12 }, { n: 13 }]);
    // Of its own it knows from where on it was there itself.
    const present = await startGateway({ REDIS_URL: redis.url, SUBSCRIBE_WAIT_SECONDS: '1' });
    const staying = await openStream(present);
    await staying.has('SUBSCRIBED', ...OWN);
    redis.freeze();
    const back = await openStream(present, lastEventId);
    try {
      await back.has('ERROR', ...OWN);
    } finally {
      redis.thaw();
    }
    await expectAll(back, 11);
    await Promise.all([back.close(), staying.close()]);
    await present.stop();
  });

  it('begins where it is joined, for who comes for the first time', async () => {
    const fresh = await startGateway({ REDIS_URL: redis.url, SUBSCRIBE_WAIT_SECONDS: '1' });
    redis.freeze();
    const stream = await openStream(fresh);
    try {
      await stream.has('ERROR', 'property:1');
    } finally {
      redis.thaw();
    }
    await stream.has('SUBSCRIBED', ...OWN);
    for (const channel of OWN) await log.append(channel, [{ n: 21 }]);
    for (const channel of OWN) await stream.gets(channel, [21]);
    await stream.close();
    await fresh.stop();
  });
});

describe('a stream whose user has had replayed as much as allowed', () => {
  it('gets what was missed when the budget allows it, and nothing that comes passes it over', async () => {
    const lastEventId = await leaveAndMiss(31);
    const more = Array.from({ length: 25 }, (_, n) => ({ n }));
    const [first] = await log.append('role:landlord', more);
    const asked = `${gateway.url}/v1/events?channel=role:landlord&after=${first}`;
    const answer = await fetch(asked, { headers: { authorization: `Bearer ${token}` } });
    expect(((await answer.json()) as { events: unknown[] }).events).toHaveLength(24);
    const back = await openStream(gateway, lastEventId.replace(/ role:landlord@\S+/, ''));
    await back.has('ERROR', ...OWN);
    for (const channel of OWN) expect(back.of(channel, 'ERROR')).toMatchObject([{ code: 'rate_limited' }]);
    await expectAll(back, 31);
    await back.close();
  });
});
