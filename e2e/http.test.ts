/** Recovery over HTTP and Server-Sent Events, against a real gateway and a real Redis. */
import {
  connect,
  mintToken,
  openTestLog,
  startGateway,
  startRedis,
  type TestGateway,
  type TestLog,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';

const SOON = { timeout: 15_000 };
let redis: TestRedis;
let gateway: TestGateway;
let log: TestLog;
const landlord = mintToken({ user_id: 'landlord-7', role: 'LANDLORD', properties: ['1', '2', '3'] });
const authorization = { authorization: `Bearer ${landlord}` };

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGateway({ REDIS_URL: redis.url, NODE_NAME: 'http' });
  log = openTestLog(redis.url);
});
afterAll(async () => {
  log?.close();
  await gateway?.stop();
  await redis?.stop();
});

const get = (path: string, headers: Record<string, string> = authorization) =>
  fetch(`${gateway.url}${path}`, { headers });

describe('a token of 600 properties', () => {
  const properties = Array.from({ length: 600 }, (_, n) => String(1_000_000_000 + n));
  const token = mintToken({ user_id: 'landlord-8', role: 'LANDLORD', properties });

  it('is taken in a header and in a frame', async () => {
    const path = '/v1/state?channel=property:1000000599';
    expect((await get(path, { authorization: `Bearer ${token}` })).status).toBe(200);
    const client = await connect(gateway.url);
    client.send({ type: 'AUTHENTICATE', token });
    expect(await client.next('AUTHENTICATED')).toMatchObject({ user_id: 'landlord-8' });
    await client.close();
  });
});

describe('GET /v1/state', () => {
  it('gives the last event of each key with the position it is true for', async () => {
    await log.append('property:1', [{ violation_type: 'HPD', count: 1 }], 'HPD');
    await log.append('property:1', [{ violation_type: 'DOB', count: 5 }], 'DOB');
    const [last] = await log.append('property:1', [{ violation_type: 'HPD', count: 2 }], 'HPD');
    const response = await get('/v1/state?channel=property:1&property_id=2');
    expect(response.status).toBe(200);
    const { channels } = (await response.json()) as {
      channels: { channel: string; id: string; events: { count: number }[] }[];
    };
    expect(channels.map(({ channel }) => channel)).toEqual(['property:1', 'property:2']);
    expect(channels[0]?.id).toBe(last);
    expect(channels[0]?.events.map(({ count }) => count).sort()).toEqual([2, 5]);
    expect(channels[1]?.events).toEqual([]);
  });

  it('answers 304 until one of the channels has moved', async () => {
    const etag = (await get('/v1/state?channel=property:1&channel=property:2')).headers.get('etag') ?? '';
    const path = '/v1/state?channel=property:1&channel=property:2';
    expect((await get(path, { ...authorization, 'if-none-match': etag })).status).toBe(304);
    await log.append('property:2', [{ violation_type: 'HPD', count: 1 }], 'HPD');
    expect((await get(path, { ...authorization, 'if-none-match': etag })).status).toBe(200);
  });

  it.each([
    ['no token', '/v1/state?channel=property:1', {}, 401, 'not_authenticated'],
    ['a forged token', '/v1/state?channel=property:1', { authorization: 'Bearer a.b.c' }, 401, 'token_invalid'],
    ['a foreign property', '/v1/state?channel=property:9', undefined, 403, 'forbidden'],
    ['another user', '/v1/state?channel=user:landlord-8', undefined, 403, 'forbidden'],
    ['no channel', '/v1/state', undefined, 400, 'bad_channel'],
    ['a name that is none', '/v1/state?channel=property:a%20b', undefined, 400, 'bad_channel'],
    ['a position that is none', '/v1/events?channel=property:1&after=latest', undefined, 400, 'bad_message'],
    ['a foreign stream', '/v1/stream?channel=global', undefined, 403, 'forbidden'],
    ['a path that is none', '/v1/nothing', undefined, 404, 'not_found'],
  ])('refuses %s', async (_, path, headers, status, code) => {
    const response = await get(path, headers ?? authorization);
    expect(response.status).toBe(status);
    expect(((await response.json()) as { code: string }).code).toBe(code);
  });
});

describe('GET /v1/events', () => {
  it('continues exactly behind a position, or says that it cannot', async () => {
    const [first, second, third] = await log.append('property:3', [{ n: 1 }, { n: 2 }, { n: 3 }], 'HPD');
    const continued = (await (await get(`/v1/events?channel=property:3&after=${first}`)).json()) as Record<
      string,
      unknown
    >;
    expect(continued).toMatchObject({ channel: 'property:3', id: third, recovered: true });
    expect((continued.events as { id: string }[]).map(({ id }) => id)).toEqual([second, third]);
    const lost = (await (await get('/v1/events?channel=property:3&after=12-3')).json()) as Record<string, unknown>;
    expect(lost).toMatchObject({ id: third, recovered: false });
    expect((lost.events as { n: number }[]).map(({ n }) => n)).toEqual([3]);
  });
});

/** Reads Server-Sent Events as `EventSource` does: data and the last event id. */
async function openStream(path: string, lastEventId?: string) {
  const stop = new AbortController();
  const response = await fetch(`${gateway.url}${path}`, {
    headers: { ...authorization, ...(lastEventId === undefined ? {} : { 'last-event-id': lastEventId }) },
    signal: stop.signal,
  });
  const frames: { id: string; data: Record<string, unknown> }[] = [];
  const ended = (async () => {
    let text = '';
    const decoder = new TextDecoder();
    for await (const chunk of response.body ?? []) {
      text += decoder.decode(chunk, { stream: true });
      const parts = text.split('\n\n');
      text = parts.pop() ?? '';
      for (const part of parts) {
        const data = /^data: (.*)$/m.exec(part)?.[1];
        if (data) frames.push({ id: /^id: (.*)$/m.exec(part)?.[1] ?? '', data: JSON.parse(data) });
      }
    }
  })().catch(() => undefined);
  const events = () => frames.filter(({ data }) => data.type === 'VIOLATION_UPDATE');
  return {
    response,
    frames,
    events,
    subscribed: (...channels: readonly string[]) =>
      vi.waitFor(() => {
        const told = frames.filter(({ data }) => data.type === 'SUBSCRIBED').map(({ data }) => data.channel);
        expect(told).toEqual(expect.arrayContaining([...channels]));
      }, SOON),
    until: (count: number) => vi.waitFor(() => expect(events().length).toBeGreaterThanOrEqual(count), SOON),
    close: async () => {
      stop.abort();
      await ended;
    },
  };
}

describe('GET /v1/stream', () => {
  it('resumes every channel of the stream by Last-Event-ID: nothing missed, nothing twice', async () => {
    const path = '/v1/stream?channel=property:1&channel=property:2';
    const first = await openStream(path);
    await first.subscribed('property:1', 'property:2');
    await log.append('property:1', [{ n: 1 }], 'HPD');
    await log.append('property:2', [{ n: 2 }], 'HPD');
    await first.until(2);
    const lastEventId = first.frames.at(-1)?.id;
    await first.close();
    await log.append('property:1', [{ n: 3 }, { n: 4 }]);
    await log.append('property:2', [{ n: 5 }]);
    const second = await openStream(path, lastEventId);
    await second.until(3);
    await log.append('property:2', [{ n: 6 }]);
    await second.until(4);
    await second.close();
    // In order on each channel; of two channels either may be the first.
    const numbers = ({ events }: typeof first, channel: string) =>
      events()
        .filter(({ data }) => data.channel === channel)
        .map(({ data }) => data.n);
    expect([numbers(first, 'property:1'), numbers(first, 'property:2')]).toEqual([[1], [2]]);
    expect([numbers(second, 'property:1'), numbers(second, 'property:2')]).toEqual([
      [3, 4],
      [5, 6],
    ]);
  });

  it('resumes what was joined unasked as well, also where nothing has happened on it yet', async () => {
    const path = '/v1/stream?channel=property:3';
    const first = await openStream(path);
    await first.subscribed('property:3', 'user:landlord-7', 'role:landlord', 'role:everyone');
    const lastEventId = first.frames.at(-1)?.id;
    await first.close();
    await log.append('user:landlord-7', [{ n: 7 }]);
    await log.append('role:everyone', [{ n: 8 }]);
    const second = await openStream(path, lastEventId);
    await second.until(2);
    await second.close();
    expect(new Set(second.events().map(({ data }) => data.n))).toEqual(new Set([7, 8]));
  });

  it('names where a channel stands that was joined unasked only once what was missed on it has come', async () => {
    const path = '/v1/stream?channel=property:3';
    const staying = await openStream(path);
    await staying.subscribed('property:3', 'user:landlord-7', 'role:landlord', 'role:everyone');
    const lastEventId = staying.frames.at(-1)?.id;
    await log.append('user:landlord-7', [{ n: 1 }, { n: 2 }]);
    await staying.until(2);
    const back = await openStream(path, lastEventId);
    await back.until(2);
    await Promise.all([staying.close(), back.close()]);
    const positionIn = (id: string | undefined) => /user:landlord-7@(\S+)/.exec(id ?? '')?.[1];
    const firstEvent = back.frames.findIndex(({ data }) => data.n === 1);
    const before = back.frames.slice(0, firstEvent).map(({ id }) => positionIn(id));
    expect(new Set(before)).toEqual(new Set([positionIn(lastEventId)]));
  });

  it.each([
    ['a position that is none', 'property:3@NaN'],
    ['a comma-joined list', 'property:3@7-2,property:2@7-3'],
  ])('tells a client whose Last-Event-ID is %s that its history is lost, and the state', async (_, lastEventId) => {
    await log.append('property:3', [{ n: 1 }], 'HPD');
    await log.append('property:3', [{ n: 2 }], 'HPD');
    const stream = await openStream('/v1/stream?channel=property:3', lastEventId);
    const about = () => stream.frames.map(({ data }) => data).filter(({ channel }) => channel === 'property:3');
    await vi.waitFor(() => expect(about().map(({ type }) => type)).toEqual(['SUBSCRIBED', 'STATE']), SOON);
    expect(about()[0]).toMatchObject({ recovered: false });
    expect(about()[1]).toMatchObject({ events: [{ n: 2 }] });
    await stream.close();
    const newcomer = await openStream('/v1/stream?channel=property:3');
    await newcomer.subscribed('property:3');
    await newcomer.close();
    expect(newcomer.frames.find(({ data }) => data.channel === 'property:3')?.data).not.toHaveProperty('recovered');
  });

  it('counts as a connection, and is gone when the client is', async () => {
    const stream = await openStream('/v1/stream?channel=property:1');
    const count = async () => {
      const stats = (await (await gateway.operate('/ws/stats')).json()) as { active_connections: number };
      return stats.active_connections;
    };
    await vi.waitFor(async () => expect(await count()).toBe(1), SOON);
    await stream.close();
    await vi.waitFor(async () => expect(await count()).toBe(0), SOON);
  });
});
