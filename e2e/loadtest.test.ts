/**
 * The load test itself: it passes against a cluster that keeps its promises, and fails against one that loses a single event
 * anywhere, in a gateway or behind an intake that has accepted it. Otherwise its zeros would mean nothing.
 */
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { eventually, ownFolder, startGateway, startPublisher, startRedis, TEST_SECRET } from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { PATIENCE, type Patience } from '../loadtest/src/run/overdue.ts';
import { run } from '../scripts/processes.mjs';
import { ROOT } from '../scripts/setup.mjs';
import { provideK6 } from './outside-tools.ts';

const COMMAND = join(ROOT, 'scripts', 'loadtest.mjs');
const imported = (...path: string[]) => JSON.stringify(pathToFileURL(join(ROOT, ...path)));
/** The same without its building, which the first test does: it writes what the others are just running. */
const builtCommand = (patience?: Patience) => `
  import { runLoadTest } from ${imported('loadtest', 'dist', 'run', 'main.js')};
  import { explained } from ${imported('scripts', 'steps.mjs')};
  const stop = new AbortController();
  process.once('SIGINT', () => stop.abort());
  const run = runLoadTest(process.argv.slice(1), process.env, stop.signal, ${JSON.stringify(patience)});
  process.exitCode = await explained(run);
`;
const RUN_MS = 120_000;

const k6 = await provideK6();

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

let runs = 0;

async function loadTest(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  const summary = join(folder.path, `${++runs}.json`);
  const command = ['--input-type=module', '--eval', builtCommand(), '--', ...args, '--summary', summary];
  const child = await run(process.execPath, command, {
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

it('without k6 and without Go one sentence says so, and nothing of building', async () => {
  const nothing = { PATH: folder.path, XDG_CACHE_HOME: folder.path };
  const command = ['--input-type=module', '--eval', builtCommand(), '--', 'connect'];
  const { code, output } = await run(process.execPath, command, { env: { ...process.env, ...nothing } });
  expect(output).toContain('There is no k6, and none can be built (there is no Go): install k6');
  expect(output).not.toContain('Building');
  expect(code).toBe(1);
});

/** Nothing may be lost on any machine; how long it takes is not judged here, as the machine may be busy with other things. */
const PATIENT = ['--p50', '10000', '--p99', '20000', '--ready', '20000'];

const SMALL = ['--connections', '40', '--properties', '2', '--ramp', '1', '--settle', '1', '--rate', '20'];
const SHORT = [...SMALL, '--duration', '4', ...PATIENT];

interface Addresses {
  gateway: string;
  publisher: string;
}

/** Of the suite in which it is called; the addresses are there when its tests run. */
function givenCluster(): Addresses {
  const addresses: Addresses = { gateway: '', publisher: '' };
  const stops: (() => Promise<unknown>)[] = [];
  beforeAll(async () => {
    const redis = await startRedis();
    stops.push(() => redis.stop());
    const gateway = await startGateway({ REDIS_URL: redis.url, SHUTDOWN_SECONDS: '1' });
    stops.unshift(() => gateway.stop());
    const publisher = await startPublisher({ REDIS_URL: redis.url });
    stops.unshift(() => publisher.stop());
    addresses.gateway = gateway.wsUrl;
    addresses.publisher = publisher.url;
  });
  afterAll(async () => {
    for (const stop of stops) await stop();
  });
  return addresses;
}

const against = ({ gateway, publisher }: Addresses, args: readonly string[]) =>
  loadTest([...args, '--gateway', gateway, '--publisher', publisher], { JWT_SECRET: TEST_SECRET });

// These three at the same time: most of a load test is waiting.
describe.skipIf(!k6).concurrent('a load test (needs k6)', () => {
  it.sequential(
    'of 300 connections for 20 seconds passes on a cluster of its own: every event at every client, once',
    async () => {
      const size = ['--connections', '300', '--ramp', '2', '--settle', '1', '--duration', '20', '--rate', '30'];
      const outcome = await loadTest(['fanout', ...size, ...PATIENT]);
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

describe.skipIf(!k6).concurrent('a load test of a given cluster (needs k6)', () => {
  const cluster = givenCluster();

  it.sequential(
    'passes where clients are cut and come back for what they missed',
    async () => {
      const outcome = await against(cluster, ['storm', ...SHORT, '--duration', '5']);
      expect(outcome.output).toContain('PASSED');
      expect(count(outcome, 'returns')).toBe(40);
      expect(outcome.result.metrics.recovered?.rate).toBe(1);
      expect(count(outcome, 'events_replayed')).toBeGreaterThan(0);
    },
    RUN_MS,
  );

  it.sequential(
    'fails where one frame of one client is lost',
    async () => {
      const lossy = await spoilingProxy(cluster.gateway);
      try {
        const outcome = await against({ ...cluster, gateway: lossy.url }, ['fanout', ...SHORT]);
        expect(outcome.code).toBe(99);
        expect(outcome.output).toContain('FAILED');
        expect(outcome.output).toContain('Events that the intake had accepted did not come: 1.');
        expect(outcome.result.broken).toEqual(['gaps: count==0', 'missing: count==0']);
        expect([count(outcome, 'gaps'), count(outcome, 'missing')]).toEqual([1, 1]);
      } finally {
        await lossy.stop();
      }
    },
    RUN_MS,
  );

  // Each would see the other's events where two ran at the same time.
  it.sequential.each([
    ['comes behind the next one', 'order', 'reordered: count==0', 'Events came behind later ones: 1.'],
    ['comes twice', 'repeat', 'repeated: count==0', 'Events came a second time: 1.'],
    ['is hidden behind a state', 'state', 'gaps: count==0', 'Offsets were skipped without a word: 1 events.'],
    [
      "is another property's",
      'property',
      'strays: count==0',
      'Events came to clients that do not follow their property: 1.',
    ],
  ] as const)(
    'fails where one event %s',
    async (_, spoils, threshold, sentence) => {
      const proxy = await spoilingProxy(cluster.gateway, spoils);
      try {
        const outcome = await against({ ...cluster, gateway: proxy.url }, ['fanout', ...SHORT]);
        expect(outcome.code).toBe(99);
        expect(outcome.result.broken).toContain(threshold);
        expect(outcome.output).toContain(sentence);
      } finally {
        await proxy.stop();
      }
    },
    RUN_MS,
  );

  it.sequential(
    'counts a frame that is none against its own connection, and goes on judging the others of its thread',
    async () => {
      const proxy = await spoilingProxy(cluster.gateway, 'frame');
      try {
        const allowed = ['--vus', '1', '--closes', '1', '--resyncs', '1'];
        const outcome = await against({ ...cluster, gateway: proxy.url }, ['fanout', ...SHORT, ...allowed]);
        expect(outcome.output).toContain('the gateway sent what is no frame');
        expect(outcome.result.broken).toEqual([]);
        expect([count(outcome, 'errors'), count(outcome, 'unexpected_closes')]).toEqual([1, 1]);
        expect(count(outcome, 'events_received')).toBeGreaterThan(19 * count(outcome, 'events_published'));
      } finally {
        await proxy.stop();
      }
    },
    RUN_MS,
  );

  for (const [when, env, collections] of [
    ['once, before events begin', {}, 1],
    ['not at all where it is told of no place to ask for that', { LOAD_COLLECT_URL: '' }, 0],
  ] as const) {
    it.sequential(
      `has k6 collect its garbage ${when}`,
      async () => {
        const args = [
          'fanout',
          ...SHORT,
          '--settle',
          '2',
          '--gateway',
          cluster.gateway,
          '--publisher',
          cluster.publisher,
        ];
        const trace = { JWT_SECRET: TEST_SECRET, GODEBUG: 'gctrace=1', ...env };
        const outcome = await loadTest(args, trace);
        expect(outcome.output).toContain('PASSED');
        expect(outcome.output.match(/^gc \d+ .*\(forced\)$/gm) ?? []).toHaveLength(collections);
      },
      RUN_MS,
    );
  }

  it.sequential(
    'fails where nobody answers',
    async () => {
      const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
      await new Promise((resolve) => server.once('listening', resolve));
      const url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
      try {
        const outcome = await against({ ...cluster, gateway: url }, [
          'connect',
          ...SMALL,
          '--rate',
          '0',
          '--duration',
          '1',
        ]);
        expect(outcome.code).toBe(99);
        expect(outcome.result.broken).toEqual(['connect_success: rate>=0.999']);
        expect(outcome.output).toContain('Only 0.00 % of the connections were ready at the first attempt');
      } finally {
        for (const client of server.clients) client.terminate();
        await closed(server);
      }
    },
    RUN_MS,
  );
});

describe.skipIf(!k6).concurrent('a load test of another cluster (needs k6)', () => {
  const cluster = givenCluster();

  it.sequential(
    'fails where the intake accepts an event and does not publish it: no offset is skipped, and yet it is missing',
    async () => {
      const forgetful = await spoilingIntake(cluster.publisher, 'forgetful');
      try {
        const outcome = await against({ ...cluster, publisher: forgetful.url }, ['fanout', ...SHORT]);
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

  it.sequential(
    'fails where a client that was cut gets the state instead of what it missed',
    async () => {
      const lossy = await spoilingProxy(cluster.gateway, 'connection');
      try {
        const outcome = await against({ ...cluster, gateway: lossy.url }, ['fanout', ...SHORT, '--closes', '1']);
        expect(outcome.code).toBe(99);
        expect(outcome.result.broken).toEqual(['resyncs: count<=0']);
        expect([count(outcome, 'unexpected_closes'), count(outcome, 'resyncs')]).toEqual([1, 1]);
      } finally {
        await lossy.stop();
      }
    },
    RUN_MS,
  );
});

describe.skipIf(!k6).concurrent('a load test of a cluster that serves only some (needs k6)', () => {
  const cluster = givenCluster();
  /** A tenth of the clients stays, and was there before the others; and the runner has asked once whether anybody is there. */
  const FIRST = 5;

  it.sequential(
    'fails where clients that come and leave again were never let in',
    async () => {
      const proxy = await partialProxy(cluster.gateway, FIRST, 'nothing');
      try {
        const outcome = await against({ ...cluster, gateway: proxy.url }, ['spike', ...SHORT]);
        expect(outcome.code).toBe(99);
        expect(outcome.result.broken).toEqual(['connect_success: rate>=0.999']);
        expect(outcome.result.metrics.connect_success).toMatchObject({ passes: 4, fails: 36 });
      } finally {
        await proxy.stop();
      }
    },
    RUN_MS,
  );

  it.sequential(
    'fails where clients that come and leave again got no event: that no offset is skipped proves nothing then',
    async () => {
      const proxy = await partialProxy(cluster.gateway, FIRST, 'all but events');
      try {
        const outcome = await against({ ...cluster, gateway: proxy.url }, ['spike', ...SHORT]);
        expect(outcome.code).toBe(99);
        expect(outcome.result.broken).toEqual(['missing: count==0', 'unfinished: count==0']);
        expect([count(outcome, 'missing'), count(outcome, 'unfinished')]).toEqual([36, 36]);
      } finally {
        await proxy.stop();
      }
    },
    RUN_MS,
  );

  it.sequential(
    'fails where connections stay open with nobody behind them',
    async () => {
      const proxy = await partialProxy(cluster.gateway, FIRST, 'until SUBSCRIBED');
      try {
        const hold = ['connect', ...SMALL, '--rate', '0', '--duration', '1', '--ready', '20000'];
        const outcome = await against({ ...cluster, gateway: proxy.url }, hold);
        expect(outcome.code).toBe(99);
        expect(outcome.result.broken).toEqual(['unfinished: count==0']);
        expect(outcome.output).toContain('Clients that were not judged to their end: 36.');
      } finally {
        await proxy.stop();
      }
    },
    RUN_MS,
  );

  it.sequential(
    'is not ended by the last event of another one on the same cluster, however soon its own comes behind that',
    async () => {
      const run = (duration: string) => against(cluster, ['fanout', ...SHORT, '--duration', duration]);
      const [, longer] = await Promise.all([run('4'), run('8')]);
      expect(longer.output).toContain('another load test publishes to the same properties');
      expect(longer.code).toBe(0);
      expect(count(longer, 'events_received')).toBeGreaterThanOrEqual(20 * count(longer, 'events_published'));
    },
    RUN_MS,
  );

  it.sequential(
    'ends where it publishes nothing and another one on the same cluster does',
    async () => {
      const [silent] = await Promise.all([
        against(cluster, ['fanout', ...SMALL, '--rate', '0', '--duration', '6']),
        against(cluster, ['fanout', ...SHORT]),
      ]);
      expect(silent.code).toBe(0);
      expect(count(silent, 'events_received')).toBeGreaterThan(0);
    },
    RUN_MS,
  );

  it.sequential(
    'fails where the intake is too slow for the rate, however short the way behind it is',
    async () => {
      const slow = await spoilingIntake(cluster.publisher, 'slow');
      try {
        const outcome = await against({ ...cluster, publisher: slow.url }, [
          'fanout',
          ...SHORT,
          '--p50',
          '1500',
          '--p99',
          '2000',
        ]);
        expect(outcome.code).toBe(99);
        expect(outcome.result.broken).toEqual(['publish_behind: p(99)<=2000']);
        expect(outcome.output).toContain('Events were published later than --rate wants');
      } finally {
        await slow.stop();
      }
    },
    RUN_MS,
  );
});

describe.skipIf(!k6).concurrent('a load test of a gateway that hangs with its connections open (needs k6)', () => {
  const HOLD = ['connect', '--connections', '4', '--vus', '1', '--ramp', '1', '--settle', '1', '--duration', '4'];

  it.each([
    ['k6 does not end', { overdueMs: 2_000, stopMs: 2_000 }, 'k6 had not ended 2 s after the end of its plan'],
    ['Ctrl-C does not end k6', { ...PATIENCE, stopMs: 2_000 }, 'k6 had not ended 2 s after it was asked to'],
  ] as const)(
    'ends where %s, kills k6, and says that nothing of the run counts',
    async (when, patience, sentence) => {
      const redis = await startRedis();
      const gateway = await startGateway({ REDIS_URL: redis.url });
      const ctrlC = new AbortController();
      try {
        const args = [...HOLD, '--gateway', gateway.wsUrl];
        // Resolves when nobody writes to its output any more: k6 does until it ends.
        const ended = run(process.execPath, ['--input-type=module', '--eval', builtCommand(patience), '--', ...args], {
          env: { ...process.env, JWT_SECRET: TEST_SECRET },
          orphan: 'interrupt',
          signal: ctrlC.signal,
        });
        await eventually('all connections', async () => {
          const stats = (await (await gateway.operate('/ws/stats')).json()) as { active_connections: number };
          return stats.active_connections === 4;
        });
        gateway.signal('SIGSTOP');
        if (when === 'Ctrl-C does not end k6') ctrlC.abort();
        const { code, output } = await ended;
        expect(output).toContain(sentence);
        expect(output).toContain('Nothing of this run counts');
        expect(output).not.toMatch(/PASSED|FAILED|^ {4}at /m);
        expect(code).toBe(1);
      } finally {
        await gateway.kill();
        await redis.stop();
      }
    },
    RUN_MS,
  );
});

/** Passes everything on for the first clients, and for all others only a part of it. */
async function partialProxy(
  target: string,
  first: number,
  others: 'nothing' | 'all but events' | 'until SUBSCRIBED',
): Promise<{ url: string; stop(): Promise<void> }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  let clients = 0;
  server.on('connection', (client) => {
    const whole = ++clients <= first;
    const upstream = new WebSocket(target);
    const early: string[] = [];
    let subscribed = false;
    client.on('message', (data) => {
      if (!whole && others === 'nothing') return;
      if (upstream.readyState === WebSocket.OPEN) upstream.send(`${data}`);
      else early.push(`${data}`);
    });
    upstream.on('open', () => {
      for (const frame of early) upstream.send(frame);
    });
    upstream.on('message', (data) => {
      const frame = `${data}`;
      const event = frame.includes('"type":"load_test"') && !frame.startsWith('{"type":"STATE"');
      if (!whole && (others === 'until SUBSCRIBED' ? subscribed : event)) return;
      subscribed ||= frame.startsWith('{"type":"SUBSCRIBED"');
      client.send(frame);
    });
    client.on('close', () => upstream.terminate());
    upstream.on('close', () => client.close());
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return { url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`, stop: () => closed(server) };
}

/**
 * Passes everything on but one event, the fifth of the first client that gets so many: that is lost, comes behind the next
 * one or twice, comes as a STATE that was not announced, is cut in the middle, or says that it is another property's; or cuts that
 * client's connection there. And hides from the gateway where those who come back were.
 */
async function spoilingProxy(
  target: string,
  spoils: 'event' | 'connection' | 'order' | 'property' | 'repeat' | 'state' | 'frame' = 'event',
): Promise<{ url: string; stop(): Promise<void> }> {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  let spoiled = false;
  server.on('connection', (client) => {
    let late: string | undefined;
    const upstream = new WebSocket(target);
    const early: string[] = [];
    let events = 0;
    client.on('message', (data) => {
      const { after, ...frame } = JSON.parse(`${data}`);
      // A position that no log has any more.
      const text = JSON.stringify(after === undefined ? frame : { ...frame, after: '1-1' });
      if (upstream.readyState === WebSocket.OPEN) upstream.send(text);
      else early.push(text);
    });
    upstream.on('open', () => {
      for (const frame of early) upstream.send(frame);
    });
    upstream.on('message', (data) => {
      const frame = `${data}`;
      if (frame.includes('"type":"load_test"') && ++events === 5 && !spoiled) {
        spoiled = true;
        if (spoils === 'connection') client.terminate();
        if (spoils === 'order') late = frame;
        if (spoils === 'frame') client.send(frame.slice(0, 30));
        if (spoils === 'state') {
          const { channel, id } = JSON.parse(frame);
          client.send(JSON.stringify({ type: 'STATE', channel, id, events: [] }));
        }
        for (let n = 0; spoils === 'repeat' && n < 2; n++) client.send(frame);
        if (spoils === 'property') client.send(frame.replace(/@property:[\w-]+/, '@property:another'));
        return;
      }
      client.send(frame);
      if (late === undefined || events < 6) return;
      client.send(late);
      late = undefined;
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

/** `forgetful`: answers 202 to all, and passes on all but the tenth. `slow`: takes a fifth of a second for each. */
async function spoilingIntake(
  target: string,
  is: 'forgetful' | 'slow',
): Promise<{ url: string; stop(): Promise<void> }> {
  let requests = 0;
  const pass = async (request: IncomingMessage) => {
    const body = await text(request);
    requests++;
    if (is === 'forgetful' && requests === 10) return 202;
    if (is === 'slow') await delay(200);
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
