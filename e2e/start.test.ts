/**
 * `npm start`, as a newcomer sees it: everything is up when it says so, an event reaches clients of both gateways, and
 * nothing is left once it has stopped, however it was stopped.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { connect, eventually, isFree, mintToken, TEST_SECRET, within } from '@belfry/testkit';
import { Redis } from 'ioredis';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const ROOT = dirname(dirname(fileURLToPath(import.meta.url)));
/** Includes a look at the build, which may have to be made. */
const START_MS = 150_000;
const PROPERTY = '1012650001';

interface Started {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  output(): string;
}

let temporary: string;
let ports: Record<string, string>;
const started: ChildProcess[] = [];

beforeEach(async () => {
  temporary = mkdtempSync(join(tmpdir(), 'belfry-start-'));
  const [gateway, operators, publisher, publisherOperators, dashboard] = await freePairs(5);
  ports = {
    WEBSOCKET_PORT: `${gateway}`,
    OPERATOR_PORT: `${operators}`,
    PUBLISHER_PORT: `${publisher}`,
    PUBLISHER_OPERATOR_PORT: `${publisherOperators}`,
    DASHBOARD_PORT: `${dashboard}`,
  };
});
afterEach(() => {
  for (const child of started.splice(0)) child.kill('SIGKILL');
  rmSync(temporary, { recursive: true, force: true });
  rmSync(join(ROOT, '.belfry', 'logs', `${ports.WEBSOCKET_PORT}`), { recursive: true, force: true });
});

describe('npm start', () => {
  it('serves the dashboard, and an event from curl and one from redis-cli on both gateways; SIGTERM leaves nothing', async () => {
    const cluster = await start();
    const { dashboard, token, redisUrl } = printed(cluster.output());
    await servesDashboard(dashboard);
    const clients = await Promise.all(
      [0, 1].map((n) => connect(`ws://127.0.0.1:${Number(ports.WEBSOCKET_PORT) + n}/ws`, { token })),
    );
    for (const client of clients) {
      client.send({ type: 'SUBSCRIBE', property_id: PROPERTY });
      await client.next('SUBSCRIBED');
    }

    const change = { property_id: PROPERTY, violation_type: 'HPD' };
    const response = await fetch(`http://127.0.0.1:${ports.PUBLISHER_PORT}/v1/changes`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...change, count: 3 }),
    });
    expect(response.status).toBe(202);
    for (const client of clients) expect(await client.next('VIOLATION_UPDATE')).toMatchObject({ count: 3 });

    const redis = new Redis(redisUrl, { retryStrategy: () => null });
    await redis.xadd('belfry:intake', '*', 'change', JSON.stringify({ ...change, count: 4 }));
    redis.disconnect();
    for (const client of clients) expect(await client.next('VIOLATION_UPDATE')).toMatchObject({ count: 4 });

    cluster.child.kill('SIGTERM');
    expect(await within(cluster.exited, 'end', { deadlineMs: 40_000 })).toBe(0);
    await nothingLeft(redisUrl);
  }, 300_000);

  it('lets a user keep in the portfolio, at the publisher, what the gateways let it read', async () => {
    await start({ JWT_SECRET: TEST_SECRET });
    const headers = { authorization: `Bearer ${mintToken({ user_id: 'landlord-7' })}` };
    const read = await fetch(`http://127.0.0.1:${ports.WEBSOCKET_PORT}/v1/state?property_id=${PROPERTY}`, { headers });
    expect(read.status).toBe(200);
    const kept = await fetch(`http://127.0.0.1:${ports.PUBLISHER_PORT}/v1/portfolio`, {
      method: 'PUT',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify({ properties: [PROPERTY] }),
    });
    expect(await kept.json()).toMatchObject({ properties: [PROPERTY] });
  }, 300_000);

  it('is refused a second time on the same ports, before it touches what the first one writes', async () => {
    await start();
    const log = join(ROOT, '.belfry', 'logs', `${ports.WEBSOCKET_PORT}`, 'gateway-1.log');
    const before = readFileSync(log, 'utf8');
    expect(before).toContain('"listening"');
    const { exited, output } = launch();
    expect(await within(exited, 'end', { deadlineMs: START_MS })).toBe(1);
    expect(output()).toMatch(/^\s*Port \d+ is taken by another process: set WEBSOCKET_PORT to another one/);
    expect(readFileSync(log, 'utf8').startsWith(before)).toBe(true);
  }, 300_000);

  it('leaves nothing after kill -9', async () => {
    const cluster = await start();
    const { redisUrl } = printed(cluster.output());
    cluster.child.kill('SIGKILL');
    await cluster.exited;
    await nothingLeft(redisUrl);
  }, 300_000);

  it('names the variable of a port that is taken, and starts nothing', async () => {
    const taken = createServer().listen(Number(ports.WEBSOCKET_PORT) + 1, '127.0.0.1');
    await once(taken, 'listening');
    const { exited, output } = launch();
    expect(await within(exited, 'end', { deadlineMs: START_MS })).toBe(1);
    expect(output()).toContain(
      `Port ${Number(ports.WEBSOCKET_PORT) + 1} is taken by another process: set WEBSOCKET_PORT`,
    );
    taken.close();
  }, 180_000);
});

function launch(settings: Readonly<Record<string, string>> = {}): Started {
  // Not the developer's own Redis, secret and policy: what a newcomer has.
  const { REDIS_URL, JWT_SECRET, ACCESS_POLICY, npm_lifecycle_event, ...environment } = process.env;
  const child = spawn(process.execPath, ['scripts/start.mjs'], {
    cwd: ROOT,
    // No test asks the real city.
    env: { ...environment, ...ports, SOURCES_ENABLED: 'false', TMPDIR: temporary, ...settings },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  started.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  }
  const exited = once(child, 'close').then(([code]) => code as number | null);
  return { child, exited, output: () => said };
}

async function start(settings?: Readonly<Record<string, string>>): Promise<Started> {
  const cluster = launch(settings);
  const ready = eventually('ready cluster', () => cluster.output().includes('Ctrl-C stops'), { deadlineMs: START_MS });
  const ended = cluster.exited.then((code): never => {
    throw new Error(`npm start ended with ${code}:\n${cluster.output()}`);
  });
  await Promise.race([ready, ended]);
  return cluster;
}

/** The page, the script that it names, and where it is told to connect to. */
async function servesDashboard(address: string): Promise<void> {
  const page = new URL(address);
  expect(page.port).toBe(ports.DASHBOARD_PORT);
  const response = await fetch(page);
  expect(response.headers.get('content-type')).toContain('text/html');
  const source = /<script[^>]+src="([^"]+)"/.exec(await response.text())?.[1];
  const script = await fetch(new URL(source ?? 'no script in the page', page));
  expect(script.headers.get('content-type')).toContain('text/javascript');
  const config = await fetch(new URL('config.json', page));
  const [first = Number.NaN, publisher] = [Number(ports.WEBSOCKET_PORT), ports.PUBLISHER_PORT];
  expect(await config.json()).toMatchObject({
    gateways: [first, first + 1].map((port) => `ws://127.0.0.1:${port}/ws`),
    publisher: `http://127.0.0.1:${publisher}`,
  });
}

/** What a person would copy from the terminal. */
function printed(output: string): { dashboard: string; token: string; redisUrl: string } {
  const dashboard = /^ {2}dashboard\s+(\S+)/m.exec(output)?.[1];
  const token = /^ {2}token\s+(\S+)$/m.exec(output)?.[1];
  const redisUrl = /^ {2}Redis\s+(\S+)$/m.exec(output)?.[1];
  if (!dashboard || !token || !redisUrl)
    throw new Error(`no dashboard, token or Redis in what npm start printed:\n${output}`);
  return { dashboard, token, redisUrl };
}

async function nothingLeft(redisUrl: string): Promise<void> {
  const { WEBSOCKET_PORT, OPERATOR_PORT } = ports;
  const first = Object.values(ports).map(Number);
  const all = [...first, Number(WEBSOCKET_PORT) + 1, Number(OPERATOR_PORT) + 1, Number(new URL(redisUrl).port)];
  await eventually('closed ports', async () => (await Promise.all(all.map(isFree))).every((free) => free));
  // Compiled code that Node or tools keep there is no part of the cluster.
  await eventually('empty temporary folder', () => readdirSync(temporary).every((name) => !name.startsWith('belfry-')));
}

/** The first of `count` pairs of neighbouring ports that are free. */
async function freePairs(count: number): Promise<number[]> {
  const found: number[] = [];
  // Below the range from which the system hands out ports to everybody else.
  for (let port = 20_000 + Math.floor(Math.random() * 5_000) * 2; found.length < count; port += 2) {
    if ((await isFree(port)) && (await isFree(port + 1))) found.push(port);
  }
  return found;
}
