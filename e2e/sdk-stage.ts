/** What the SDK's tests stand on: real gateways on one Redis, clients that are disposed of, and subscribers that take notes. */
import { type Client, type ClientOptions, createClient, type EventMessage, type Handlers } from '@belfry/client';
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
import { afterAll, afterEach, beforeAll, expect, vi } from 'vitest';
import { WebSocket } from 'ws';

/** Only says "never": far beyond what a busy machine takes. */
export const LONG = { timeout: 20_000, interval: 10 };

/** Comes back at once: these tests are about what is there then, not about when. */
export const hasty = { random: () => 0 };

/** `redis` and `log` are there from the first `beforeAll` on; what the methods make lasts until the end of the test. */
export interface SdkStage {
  readonly redis: TestRedis;
  readonly log: TestLog;
  /** A new one. */
  gateway(): Promise<TestGateway>;
  /** A manager's, who may see everything, unless the options say otherwise. */
  client(options: Partial<ClientOptions> & Pick<ClientOptions, 'url'>): Client;
  /** Resolves once the gateway has event `n`: Redis tells it a moment after the append, and who comes before is told later. */
  known(gateway: TestGateway, channel: string, n: number): Promise<void>;
  /**
   * Appends numbers one by one until told to stop; resolves with the last. Not as fast as it can, and with a history for
   * many seconds of it: nothing may be gone before a slow machine has brought a client back.
   */
  publishing(channel: string, from: number): () => Promise<number>;
}

const token = () => mintToken({ user_id: 'manager', role: 'ADMIN' });

/** Of the file in which it is called. */
export function sdkStage(): SdkStage {
  let redis: TestRedis;
  let log: TestLog;
  const gateways: TestGateway[] = [];
  const clients: Client[] = [];
  const publishers: (() => Promise<number>)[] = [];

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

  return {
    get redis() {
      return redis;
    },
    get log() {
      return log;
    },
    async gateway() {
      const gateway = await startGateway({ REDIS_URL: redis.url });
      gateways.push(gateway);
      return gateway;
    },
    client(options) {
      const client = createClient({ getToken: token, WebSocket, ...options });
      clients.push(client);
      return client;
    },
    async known(gateway, channel, n) {
      const witness = await connect(gateway.wsUrl, { token: token() });
      witness.send({ type: 'SUBSCRIBE', channel, rewind: 1 });
      await witness.next('VIOLATION_UPDATE', (event) => event.n === n);
      await witness.close();
    },
    publishing(channel, from) {
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
    },
  };
}

let lots = 0;
/** One that no other test of the file knows. */
export const newProperty = (): string => String(4_000_000_000 + ++lots);

export interface Seen {
  readonly handlers: Handlers;
  readonly numbers: number[];
  readonly log: string[];
  /** Resolves when the event with this number has been handled. */
  got(n: number): Promise<void>;
}

/** A subscriber of numbered events. */
export function watch(also: Handlers = {}): Seen {
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
export const recoveries = (seen: Seen, times: number) =>
  vi.waitFor(() => expect(seen.log.filter((line) => line.startsWith('recovered'))).toHaveLength(times), LONG);
export const live = (seen: Seen) => vi.waitFor(() => expect(seen.log).toContain('live'), LONG);
export const count = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
export const numbered = (from: number, to: number) => count(from, to).map((n) => ({ n }));
