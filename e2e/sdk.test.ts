/** The SDK, as it is published, against real gateways: what it promises of reconnects, reloads, outages and tokens. */
import { type Client, type ClientOptions, createClient, type EventMessage, type Handlers } from '@belfry/client';
import { followBoard } from '@belfry/client/board';
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
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';

/** Only says "never": far beyond what a busy machine takes. */
const LONG = { timeout: 20_000, interval: 10 };

let redis: TestRedis;
let log: TestLog;
const gateways: TestGateway[] = [];
const clients: Client[] = [];
const publishers: (() => Promise<number>)[] = [];

async function start(): Promise<TestGateway> {
  const gateway = await startGateway({ REDIS_URL: redis.url });
  gateways.push(gateway);
  return gateway;
}

beforeAll(async () => {
  redis = await startRedis();
  log = openTestLog(redis.url);
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.dispose();
  await Promise.all(publishers.splice(0).map((stop) => stop()));
  await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
});
afterAll(async () => {
  log?.close();
  await redis?.stop();
});

let lots = 0;
const newProperty = (): string => String(4_000_000_000 + ++lots);

const token = () => mintToken({ user_id: 'manager', role: 'ADMIN' });

function open(options: Partial<ClientOptions> & Pick<ClientOptions, 'url'>): Client {
  const client = createClient({ getToken: token, WebSocket, ...options });
  clients.push(client);
  return client;
}

/** Comes back at once: these tests are about what is there then, not about when. */
const hasty = { random: () => 0 };

interface Seen {
  readonly handlers: Handlers;
  readonly numbers: number[];
  readonly log: string[];
  /** Resolves when the event with this number has been handled. */
  got(n: number): Promise<void>;
}

/** A subscriber of numbered events. */
function watch(also: Handlers = {}): Seen {
  const numbers: number[] = [];
  const lines: string[] = [];
  return {
    numbers,
    log: lines,
    handlers: {
      onEvent: (event: EventMessage) => {
        numbers.push(Number(event.n));
      },
      onGap: ({ cause }) => lines.push(`gap ${cause}`),
      onRecovered: ({ recovered, replay }) => lines.push(`${recovered ? 'recovered' : 'not recovered'} ${replay}`),
      onError: ({ code }) => lines.push(`error ${code}`),
      onLive: () => lines.push('live'),
      ...also,
    },
    got: (n) => vi.waitFor(() => expect(numbers.at(-1)).toBe(n), LONG),
  };
}

/** Events alone do not tell that a client is back: what was on its way when its gateway was killed still comes. */
const recoveries = (seen: Seen, times: number) =>
  vi.waitFor(() => expect(seen.log.filter((line) => line.startsWith('recovered'))).toHaveLength(times), LONG);
const live = (seen: Seen) => vi.waitFor(() => expect(seen.log).toContain('live'), LONG);
const count = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
const numbered = (from: number, to: number) => count(from, to).map((n) => ({ n }));

/** Resolves once the gateway has event `n`: Redis tells it a moment after the append, and who comes before is told later. */
async function known(gateway: TestGateway, channel: string, n: number): Promise<void> {
  const witness = await connect(gateway.wsUrl, { token: token() });
  witness.send({ type: 'SUBSCRIBE', channel, rewind: 1 });
  await witness.next('VIOLATION_UPDATE', (event) => event.n === n);
  await witness.close();
}

/**
 * Appends numbers one by one until told to stop; resolves with the last. Not as fast as it can, and with a history for
 * many seconds of it: nothing may be gone before a slow machine has brought a client back.
 */
function publishing(channel: string, from: number): () => Promise<number> {
  let stopped = false;
  const { append, close } = openTestLog(redis.url, { maxEvents: 10_000 });
  const done = (async () => {
    let n = from;
    for (; !stopped; n++) {
      await append(channel, [{ n }]);
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return n - 1;
  })().finally(close);
  const stop = (): Promise<number> => {
    stopped = true;
    return done;
  };
  publishers.push(stop);
  return stop;
}

describe.each([['websocket'], ['sse']] as const)('over %s, a gateway', (transport) => {
  it('that is killed is replaced by another one: nothing is missed, nothing comes twice', async () => {
    const [a, b, c] = await Promise.all([start(), start(), start()]);
    const property = newProperty();
    const client = open({ url: [a.wsUrl, b.wsUrl, c.wsUrl], transport, ...hasty });
    const seen = watch();
    client.subscribe(property, seen.handlers);
    await live(seen);
    const stop = publishing(`property:${property}`, 1);
    await vi.waitFor(() => expect(seen.numbers.length).toBeGreaterThan(20), LONG);
    await a.kill();
    await recoveries(seen, 1);
    const before = seen.numbers.length;
    await vi.waitFor(() => expect(seen.numbers.length).toBeGreaterThan(before + 20), LONG);
    await b.kill();
    await recoveries(seen, 2);
    const last = await stop();
    await seen.got(last);
    expect(seen.numbers).toEqual(count(1, last));
    expect(seen.log.filter((line) => line.startsWith('gap'))).toEqual([]);
  });

  it('that drains tells when to come back, and the client comes back to another one', async () => {
    const [a, b] = await Promise.all([start(), start()]);
    const property = newProperty();
    const client = open({ url: [a.wsUrl, b.wsUrl], transport, ...hasty });
    const seen = watch();
    client.subscribe(property, seen.handlers);
    await live(seen);
    await log.append(`property:${property}`, numbered(1, 3));
    await seen.got(3);
    const reasons: unknown[] = [];
    client.on('status', ({ reason }) => reason && reasons.push(reason.code));
    await Promise.all([a.stop(), log.append(`property:${property}`, numbered(4, 6))]);
    await vi.waitFor(() => expect(client.state.status).toBe('connected'), LONG);
    await log.append(`property:${property}`, numbered(7, 9));
    await seen.got(9);
    expect(seen.numbers).toEqual(count(1, 9));
    expect(reasons[0]).toBe(4200);
  });

  it('hands a page that was closed and opened again exactly what it missed, and the present', async () => {
    const gateway = await start();
    const property = newProperty();
    const channel = `property:${property}`;
    const items = new Map<string, string>();
    const storage = {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
    };
    await log.append(channel, numbered(1, 5), 'HPD');
    const first = open({ url: gateway.wsUrl, transport, storage });
    const before = watch();
    first.subscribe(property, before.handlers);
    await live(before);
    await log.append(channel, numbered(6, 8), 'HPD');
    await before.got(8);
    first.dispose();

    await log.append(channel, numbered(9, 20), 'HPD');
    await known(gateway, channel, 20);
    const second = open({ url: gateway.wsUrl, transport, storage });
    const states: unknown[] = [];
    const after = watch({ onState: ({ events }) => states.push(events.map(({ n }) => n)) });
    second.subscribe(property, after.handlers);
    await after.got(20);
    expect(before.numbers).toEqual(count(6, 8));
    expect(after.numbers).toEqual(count(9, 20));
    expect(states).toEqual([[20]]);
    expect(after.log).toEqual(['recovered 12', 'live']);
  });

  it('hands over to whoever comes next what neither of two clients on one storage has handled, wherever each stood', async () => {
    const gateway = await start();
    const property = newProperty();
    const channel = `property:${property}`;
    const items = new Map<string, string>();
    const storage = {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
    };
    const follow = async (): Promise<{ readonly client: Client; readonly seen: Seen }> => {
      const client = open({ url: gateway.wsUrl, transport, storage });
      const seen = watch();
      client.subscribe(property, seen.handlers);
      await live(seen);
      return { client, seen };
    };
    const [one, two] = [await follow(), await follow()];
    await log.append(channel, numbered(1, 3), 'HPD');
    await Promise.all([one.seen.got(3), two.seen.got(3)]);
    one.client.dispose();
    await log.append(channel, numbered(4, 5), 'HPD');
    await two.seen.got(5);
    two.client.dispose();
    await log.append(channel, numbered(6, 7), 'HPD');
    const { seen } = await follow();
    await seen.got(7);
    expect(one.seen.numbers).toEqual(count(1, 3));
    expect(two.seen.numbers).toEqual(count(1, 5));
    expect(seen.numbers).toEqual(count(6, 7));
  });

  it('that has no history far enough says so, and gives the present instead', async () => {
    const gateway = await start();
    const property = newProperty();
    const channel = `property:${property}`;
    const [position] = await log.append(channel, numbered(1, 1), 'HPD');
    await log.append(channel, numbered(2, 300), 'HPD');
    const client = open({ url: gateway.wsUrl, transport });
    const states: unknown[] = [];
    const seen = watch({ after: position, onState: ({ events }) => states.push(events.map(({ n }) => n)) });
    client.subscribe(property, seen.handlers);
    await live(seen);
    await log.append(channel, numbered(301, 302), 'HPD');
    await seen.got(302);
    expect(seen.log).toEqual(['gap history', 'not recovered 0', 'live']);
    expect(states.at(-1)).toEqual([300]);
    expect(seen.numbers).toEqual([301, 302]);
  });

  it('that refuses a channel costs its subscribers only', async () => {
    const gateway = await start();
    const mine = newProperty();
    const getToken = () => mintToken({ user_id: 'landlord-7', role: 'LANDLORD', properties: [mine] });
    const client = open({ url: gateway.wsUrl, transport, getToken });
    const [allowed, forbidden] = [watch(), watch()];
    client.subscribe(mine, allowed.handlers);
    client.subscribe('global', forbidden.handlers);
    await live(allowed);
    await vi.waitFor(() => expect(forbidden.log).toEqual(['error forbidden']), LONG);
    await log.append(`property:${mine}`, numbered(1, 2));
    await allowed.got(2);
    expect(allowed.numbers).toEqual([1, 2]);
    expect(client.state.status).toBe('connected');
  });

  it('gets a new token on the open connection before the old one ends', async () => {
    const gateway = await start();
    const property = newProperty();
    const ends: number[] = [];
    const getToken = () => {
      const exp = Math.floor(Date.now() / 1000) + 5;
      ends.push(exp * 1000);
      return mintToken({ user_id: 'manager', role: 'ADMIN', exp });
    };
    // As early as it renews: a quarter of the time before the end.
    const client = open({ url: gateway.wsUrl, transport, getToken, random: () => 1 });
    const seen = watch();
    client.subscribe(property, seen.handlers);
    await live(seen);
    const statuses: string[] = [];
    client.on('status', ({ current }) => statuses.push(current));
    const [firstEnds = 0] = ends;
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(firstEnds + 100), LONG);
    expect(ends.length).toBeGreaterThanOrEqual(2);
    await log.append(`property:${property}`, numbered(1, 2));
    await seen.got(2);
    expect(statuses.every((status) => status === 'connected')).toBe(true);
  });
});

describe('the client', () => {
  it('follows 500 properties in few frames, well within the rate limit', async () => {
    const gateway = await start();
    const client = open({ url: gateway.wsUrl });
    const frames: string[] = [];
    client.on('frame', ({ direction, text }) => direction === 'out' && frames.push(text));
    const properties = Array.from({ length: 500 }, newProperty);
    const seen = properties.map((property) => {
      const one = watch({ onState: () => undefined });
      client.subscribe(property, one.handlers);
      return one;
    });
    await Promise.all(seen.map(live));
    // Fifty channels a frame, for joining and for snapshots.
    expect(frames.length).toBeLessThan(23);
    await Promise.all(properties.map((property, index) => log.append(`property:${property}`, [{ n: index }])));
    await Promise.all(seen.map((one, index) => one.got(index)));
    expect(seen.flatMap(({ log: lines }) => lines).filter((line) => line !== 'live')).toEqual([]);
    const status = await client.getStatus();
    expect(status.subscriptions.filter((name) => name.startsWith('property:'))).toHaveLength(500);
  });

  it('polls where WebSockets are blocked, and hands back without a hole when they are not', async () => {
    const [a, b] = await Promise.all([start(), start()]);
    const property = newProperty();
    const channel = `property:${property}`;
    let blocked = false;
    class Blockable extends WebSocket {
      constructor(url: string) {
        super(blocked ? 'ws://127.0.0.1:1' : url);
      }
    }
    const client = open({
      url: [a.wsUrl, b.wsUrl],
      WebSocket: Blockable,
      fallback: { url: `${b.url}/v1/state`, intervalMs: 200 },
      random: () => 0.05,
    });
    const states: unknown[] = [];
    const seen = watch({ onState: ({ events }) => states.push(events.map(({ n }) => n)) });
    client.subscribe(property, seen.handlers);
    await live(seen);
    await log.append(channel, numbered(1, 2), 'HPD');
    await seen.got(2);
    blocked = true;
    let attempts = 0;
    client.on('status', ({ attempt }) => {
      attempts = Math.max(attempts, attempt);
    });
    await a.kill();
    await vi.waitFor(() => expect(client.state.mode).toBe('polling'), LONG);
    expect(attempts).toBeLessThanOrEqual(4);
    await log.append(channel, numbered(3, 5), 'HPD');
    await vi.waitFor(() => expect(states.at(-1)).toEqual([5]), LONG);
    blocked = false;
    client.retryNow();
    await vi.waitFor(() => expect(client.state).toMatchObject({ status: 'connected', mode: 'live' }), LONG);
    await log.append(channel, numbered(6, 6), 'HPD');
    await seen.got(6);
    expect(seen.numbers).toEqual(count(1, 6));
  });

  it('learns of a Redis that came back empty: RESYNC is a gap, and the present follows', async () => {
    const gateway = await start();
    const property = newProperty();
    const channel = `property:${property}`;
    const client = open({ url: gateway.wsUrl });
    const seen = watch({ onState: () => undefined });
    client.subscribe(property, seen.handlers);
    await live(seen);
    await log.append(channel, numbered(1, 3));
    await seen.got(3);
    await redis.restart({ keepData: false });
    await vi.waitFor(() => log.append(channel, numbered(4, 4)), LONG);
    await vi.waitFor(() => expect(seen.log).toContain('gap resync'), LONG);
    await log.append(channel, numbered(5, 5));
    await seen.got(5);
    expect(client.state.status).toBe('connected');
  });

  it('keeps a board true over many changes and a killed gateway, and reports no gap', async () => {
    const [a, b] = await Promise.all([start(), start()]);
    const client = open({ url: [a.wsUrl, b.wsUrl], ...hasty });
    const gaps: unknown[] = [];
    client.on('gap', (gap) => gaps.push(gap));
    let shown: Readonly<Record<string, unknown>> = {};
    followBoard(client, 'state:tasks', {
      onChange: (items) => {
        shown = Object.fromEntries([...items].map(([key, { document }]) => [key, document?.n]));
      },
    });
    await vi.waitFor(() => expect(client.state.status).toBe('connected'), LONG);
    const set = (key: string, n: number) =>
      log.append('state:tasks', [{ type: 'STATE_UPDATE', key, document: { n } }], `event:${key}`);
    for (let n = 1; n <= 50; n++) await set(`task-${n % 3}`, n);
    await vi.waitFor(() => expect(shown).toEqual({ 'task-0': 48, 'task-1': 49, 'task-2': 50 }), LONG);
    await a.kill();
    for (let n = 51; n <= 60; n++) await set(`task-${n % 3}`, n);
    await vi.waitFor(() => expect(shown).toEqual({ 'task-0': 60, 'task-1': 58, 'task-2': 59 }), LONG);
    expect(gaps).toEqual([]);
  });

  it('hears what is meant for its user, over a reconnect too', async () => {
    const [a, b] = await Promise.all([start(), start()]);
    const client = open({ url: [a.wsUrl, b.wsUrl], ...hasty });
    client.connect();
    await vi.waitFor(() => expect(client.user).toBeDefined(), LONG);
    expect(client.user).toEqual({ id: 'manager', role: 'ADMIN', channels: expect.arrayContaining(['user:manager']) });
    const seen = watch();
    client.subscribe('user:manager', seen.handlers);
    await live(seen);
    await log.append('user:manager', numbered(1, 2));
    await seen.got(2);
    await a.kill();
    await log.append('user:manager', numbered(3, 4));
    await seen.got(4);
    expect(seen.numbers).toEqual(count(1, 4));
  });
});
