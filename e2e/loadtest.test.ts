/**
 * The load test itself: it passes against a cluster that keeps its promises, and fails against one that loses a single event
 * anywhere, in a gateway or behind an intake that has accepted it. Otherwise its zeros would mean nothing.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { ownFolder, startGateway, startPublisher, startRedis, TEST_SECRET } from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { buildK6, findK6, K6_ADVICE } from '../scripts/k6.mjs';
import { run } from '../scripts/processes.mjs';
import { ROOT } from '../scripts/setup.mjs';

const COMMAND = join(ROOT, 'scripts', 'loadtest.mjs');
const RUN_MS = 120_000;
/** What Go needs for k6 on two cores, where it has not been built before. */
const BUILD_MS = 900_000;

const k6 = (await findK6()) ?? (await builtK6());
if (!k6) console.log(`skipped: ${K6_ADVICE}`);

async function builtK6(): Promise<string | undefined> {
  const built = await buildK6(AbortSignal.timeout(BUILD_MS));
  return 'path' in built ? built.path : undefined;
}

interface Outcome {
  readonly code: number | null;
  readonly output: string;
  readonly result: {
    readonly passed: boolean;
    readonly broken: readonly string[];
    readonly metrics: Readonly<Record<string, Readonly<Record<string, number>>>>;
  };
}

const folder = ownFolder('loadtest');
afterAll(() => folder.remove());

async function loadTest(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const summary = join(folder.path, 'result.json');
  const child = await run(process.execPath, [COMMAND, ...args, '--summary', summary], {
    env: { ...process.env, ...env },
  });
  try {
    return { ...child, result: JSON.parse(readFileSync(summary, 'utf8')) };
  } catch (cause) {
    throw new Error(`no result: ${child.output}`, { cause });
  }
}

const count = ({ result }: Outcome, name: string) => result.metrics[name]?.count ?? 0;

it(
  'wrong arguments are answered with one sentence and exit code 2',
  async () => {
    const { code, output } = await run(process.execPath, [COMMAND, 'fanout', '--connections', 'many']);
    expect(output).toContain('--connections must be a whole number from 1 to 1000000, not many.');
    expect(output).not.toContain('    at ');
    expect(code).toBe(2);
  },
  RUN_MS,
);

describe.skipIf(!k6)('a load test (needs k6)', () => {
  it(
    'of 300 connections for 20 seconds passes on a cluster of its own: every event at every client, once',
    async () => {
      const outcome = await loadTest([
        'fanout',
        '--connections',
        '300',
        '--ramp',
        '3',
        '--duration',
        '20',
        '--rate',
        '30',
        '--p99',
        '1000',
      ]);
      expect(outcome.output).toContain('PASSED');
      expect(outcome.code).toBe(0);
      expect(count(outcome, 'events_published')).toBeGreaterThan(500);
      // 100 clients follow each of three properties.
      expect(count(outcome, 'events_received')).toBe(100 * count(outcome, 'events_published'));
      expect(outcome.result.metrics.connect_success?.passes).toBe(300);
    },
    RUN_MS,
  );
});

describe.skipIf(!k6)('a load test of a given cluster (needs k6)', () => {
  const stops: (() => Promise<unknown>)[] = [];
  let gateway: string;
  let publisher: string;
  /** Small, and with time enough for the machine to be busy with other things. */
  const short = [
    '--connections',
    '40',
    '--properties',
    '2',
    '--ramp',
    '1',
    '--duration',
    '8',
    '--rate',
    '20',
    '--p50',
    '1000',
    '--p99',
    '3000',
  ];
  const against = (urls: { gateway: string; publisher: string }, scenario = 'fanout') =>
    loadTest([scenario, ...short, '--gateway', urls.gateway, '--publisher', urls.publisher], {
      JWT_SECRET: TEST_SECRET,
    });

  beforeAll(async () => {
    const redis = await startRedis();
    const parts = [
      await startGateway({ REDIS_URL: redis.url, SHUTDOWN_SECONDS: '1' }),
      await startPublisher({ REDIS_URL: redis.url }),
    ] as const;
    stops.push(...parts.map((part) => () => part.stop()), () => redis.stop());
    gateway = parts[0].wsUrl;
    publisher = parts[1].url;
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
  });

  it(
    'passes where clients are cut and come back for what they missed',
    async () => {
      const outcome = await against({ gateway, publisher }, 'storm');
      expect(outcome.output).toContain('PASSED');
      expect(count(outcome, 'returns')).toBe(40);
      expect(outcome.result.metrics.recovered?.rate).toBe(1);
      expect(count(outcome, 'events_replayed')).toBeGreaterThan(0);
    },
    RUN_MS,
  );

  it(
    'fails where one frame of one client is lost',
    async () => {
      const lossy = await losingProxy(gateway);
      try {
        const outcome = await against({ gateway: lossy.url, publisher });
        expect(outcome.code).toBe(99);
        expect(outcome.output).toContain('FAILED');
        expect(outcome.result.broken).toEqual(['gaps: count==0', 'missing: count==0']);
        expect([count(outcome, 'gaps'), count(outcome, 'missing')]).toEqual([1, 1]);
      } finally {
        await lossy.stop();
      }
    },
    RUN_MS,
  );

  it(
    'fails where the intake accepts an event and does not publish it: no offset is skipped, and yet it is missing',
    async () => {
      const forgetful = await forgetfulIntake(publisher);
      try {
        const outcome = await against({ gateway, publisher: forgetful.url });
        expect(outcome.code).toBe(99);
        expect(outcome.result.broken).toEqual(['missing: count==0']);
        // Twenty clients follow its property.
        expect([count(outcome, 'gaps'), count(outcome, 'missing')]).toEqual([0, 20]);
      } finally {
        await forgetful.stop();
      }
    },
    RUN_MS,
  );
});

/** Passes everything on but one event, the fifth of the first client that gets so many. */
async function losingProxy(target: string): Promise<{ url: string; stop(): Promise<void> }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  let lost = false;
  server.on('connection', (client) => {
    const upstream = new WebSocket(target);
    const early: string[] = [];
    let events = 0;
    client.on('message', (data) =>
      upstream.readyState === WebSocket.OPEN ? upstream.send(`${data}`) : early.push(`${data}`),
    );
    upstream.on('open', () => {
      for (const frame of early) upstream.send(frame);
    });
    upstream.on('message', (data) => {
      const frame = `${data}`;
      if (frame.includes('"type":"load_test"') && ++events === 5 && !lost) {
        lost = true;
        return;
      }
      client.send(frame);
    });
    client.on('close', () => upstream.close());
    upstream.on('close', () => client.close());
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`,
    stop: () => closed(server),
  };
}

/** Answers 202 to all, and passes on all but the tenth. */
async function forgetfulIntake(target: string): Promise<{ url: string; stop(): Promise<void> }> {
  let requests = 0;
  const pass = async (request: IncomingMessage) => {
    const body = await text(request);
    requests++;
    if (requests === 10) return 202;
    const headers = { 'content-type': 'application/json', 'idempotency-key': `${request.headers['idempotency-key']}` };
    const response = await fetch(`${target}${request.url}`, { method: 'POST', headers, body });
    await response.arrayBuffer();
    return response.status;
  };
  const server = createServer((request, response) => {
    pass(request).then(
      (status) => response.writeHead(status).end(),
      () => response.writeHead(502).end(),
    );
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    stop: () => {
      server.closeAllConnections();
      return closed(server);
    },
  };
}

function closed(server: { close(callback: (error?: Error) => void): void }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.close((error) => (error ? reject(error) : resolve()));
  });
}
