/** The SDK in a real browser, on a page of another origin, against real gateways: what CORS and proxies can spoil. */
import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import type { Client, ClientOptions, ConnectionState, createClient } from '@belfry/client';
import {
  chromiumPath,
  mintToken,
  openTestLog,
  type PageServer,
  servePages,
  startBrowser,
  startGateway,
  startRedis,
  type TestGateway,
  type TestLog,
  type TestRedis,
} from '@belfry/testkit';
import type { Browser, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';

const PATIENCE = { timeout: 15_000, interval: 20 };
const HTML = `<!doctype html><title>page</title><link rel="icon" href="data:,"><script type="module">
import { createClient } from './index.js';
Object.assign(window, { createClient });
</script>`;

/** What the page loads, and keeps for the test. */
interface Kept {
  createClient: typeof createClient;
  client: Client;
  live: boolean;
  numbers: number[];
  states: number[];
  /** WebSockets that were opened, and how many of them before the first poll. */
  tried: number;
  triedBefore?: number;
  gaps: string[];
}

let redis: TestRedis;
let log: TestLog;
let browser: Browser;
let pages: PageServer;
let page: Page | undefined;
const gateways: TestGateway[] = [];
const property = '1012650001';
const channel = `property:${property}`;

async function start(): Promise<TestGateway> {
  const gateway = await startGateway({ REDIS_URL: redis.url, ALLOWED_ORIGINS: pages.url });
  gateways.push(gateway);
  return gateway;
}

async function open(
  url: readonly string[],
  options: Partial<Pick<ClientOptions, 'transport' | 'fallback'>> = {},
  blocked = false,
): Promise<void> {
  const token = mintToken({ user_id: 'manager', role: 'ADMIN' });
  page = await browser.newPage();
  await page.goto(pages.url);
  await page.evaluate(
    ({ url, token, property, options, blocked }) => {
      const kept = window as unknown as Kept;
      const { WebSocket } = window;
      if (blocked) {
        // As where a proxy lets no WebSocket through.
        window.WebSocket = class extends WebSocket {
          constructor() {
            kept.tried++;
            super('ws://127.0.0.1:1');
          }
        };
        const ask = window.fetch;
        window.fetch = (...given) => {
          kept.triedBefore ??= kept.tried;
          return ask(...given);
        };
      }
      kept.tried = 0;
      // Where nothing is left to chance the first poll is due before the fourth attempt.
      const random = (): number => (blocked ? 1 : Math.random()) / 20;
      kept.numbers = [];
      kept.states = [];
      kept.client = kept.createClient({ url, getToken: () => token, random, ...options });
      kept.client.subscribe(property, {
        onLive: () => {
          kept.live = true;
        },
        onEvent: ({ n }) => kept.numbers.push(Number(n)),
        onState: ({ events }) => kept.states.push(...events.map(({ n }) => Number(n))),
      });
    },
    { url, token, property, options, blocked },
  );
}

const numbers = () => page?.evaluate(() => (window as unknown as Kept).numbers);
const state = () => page?.evaluate(() => (window as unknown as Kept).client.state as ConnectionState);
const until = (check: () => Promise<void>) => vi.waitFor(check, PATIENCE);
const numbered = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, index) => ({ n: from + index }));
const count = (from: number, to: number) => numbered(from, to).map(({ n }) => n);

describe.runIf(chromiumPath())('in a page of another origin', () => {
  beforeAll(async () => {
    redis = await startRedis();
    // Enough for whatever is published while a loaded machine takes its time to reconnect.
    log = openTestLog(redis.url, { maxEvents: 100_000 });
    const bundle = async (name: string) => ({
      type: 'text/javascript' as const,
      body: await readFile(fileURLToPath(new URL(`../packages/client/dist/${name}`, import.meta.url)), 'utf8'),
    });
    pages = await servePages({
      '/': { type: 'text/html', body: HTML },
      '/index.js': await bundle('index.js'),
      '/sse.js': await bundle('sse.js'),
      '/share.js': await bundle('share.js'),
    });
    browser = await startBrowser();
  });
  afterEach(async () => {
    await page?.close();
    page = undefined;
    await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
    const connection = redis.connect();
    await connection.flushall();
    connection.disconnect();
  });
  afterAll(async () => {
    await browser?.close();
    await pages?.close();
    log?.close();
    await redis?.stop();
  });

  it.each([['websocket'], ['sse']] as const)('over %s a killed gateway costs nothing', async (transport) => {
    const [a, b] = await Promise.all([start(), start()]);
    await open([a.wsUrl, b.wsUrl], { transport });
    await until(async () => expect(await page?.evaluate(() => (window as unknown as Kept).live)).toBe(true));
    await log.append(channel, numbered(1, 3), 'HPD');
    await until(async () => expect(await numbers()).toEqual(count(1, 3)));
    await a.kill();
    await log.append(channel, numbered(4, 6), 'HPD');
    await until(async () => expect(await numbers()).toEqual(count(1, 6)));
    await log.append(channel, numbered(7, 8), 'HPD');
    await until(async () => expect(await numbers()).toEqual(count(1, 8)));
    expect(await state()).toMatchObject({ status: 'connected', mode: 'live' });
  });

  it('without WebSockets polling takes over with the third failure, and costs nothing while nothing changes', async () => {
    const gateway = await start();
    await log.append(channel, numbered(1, 1), 'HPD');
    const answers: number[] = [];
    await open([gateway.wsUrl], { fallback: { intervalMs: 200 } }, true);
    page?.on('response', (response) => {
      if (response.url().includes('/v1/state')) answers.push(response.status());
    });
    await until(async () => expect(await state()).toMatchObject({ status: 'connecting', mode: 'polling' }));
    expect(await page?.evaluate(() => (window as unknown as Kept).triedBefore)).toBe(3);
    const states = () => page?.evaluate(() => (window as unknown as Kept).states);
    expect(await states()).toEqual([1]);
    await until(async () => expect(answers).toContain(304));
    await log.append(channel, numbered(2, 2), 'HPD');
    await until(async () => expect(await states()).toEqual([1, 2]));
  });

  it('two tabs that share a connection survive a killed gateway and a closed tab: nothing missed, nothing twice', async () => {
    const [a, b] = await Promise.all([start(), start()]);
    const context = await browser.newContext();
    const sockets: Page[] = [];
    let stopped = false;
    let publishing: Promise<void> | undefined;
    try {
      const openTab = async (): Promise<Page> => {
        const tab = await context.newPage();
        tab.on('websocket', () => sockets.push(tab));
        await tab.goto(pages.url);
        await tab.evaluate(
          ({ url, token, property }) => {
            const kept = window as unknown as Kept;
            kept.numbers = [];
            kept.gaps = [];
            kept.client = kept.createClient({
              url,
              getToken: () => token,
              share: 'app',
              random: () => Math.random() / 20,
            });
            kept.client.subscribe(property, {
              onLive: () => {
                kept.live = true;
              },
              onEvent: ({ n }) => kept.numbers.push(Number(n)),
              onGap: ({ cause }) => kept.gaps.push(cause),
            });
          },
          { url: [a.wsUrl, b.wsUrl], token: mintToken({ user_id: 'manager', role: 'ADMIN' }), property },
        );
        await until(async () => expect(await tab.evaluate(() => (window as unknown as Kept).live)).toBe(true));
        return tab;
      };
      const numbersOf = (tab: Page) => tab.evaluate(() => (window as unknown as Kept).numbers);
      const one = await openTab();
      let last = 0;
      publishing = (async () => {
        while (!stopped) await log.append(channel, numbered(++last, last), 'HPD');
      })();
      // While events come: the gateway starts the channel anew for the second tab.
      const two = await openTab();
      expect(sockets.map((tab) => tab === one)).toEqual([true]);
      const first = (await numbersOf(one)).at(-1) ?? 0;
      await a.kill();
      await until(async () => expect((await numbersOf(one)).at(-1)).toBeGreaterThan(first + 50));
      await one.close();
      const before = (await numbersOf(two)).at(-1) ?? 0;
      await until(async () => expect((await numbersOf(two)).at(-1)).toBeGreaterThan(before + 50));
      stopped = true;
      await publishing;
      await until(async () => expect((await numbersOf(two)).at(-1)).toBe(last));
      const heard = await numbersOf(two);
      expect(await two.evaluate(() => (window as unknown as Kept).gaps)).toEqual([]);
      expect(heard).toEqual(count(heard[0] ?? 0, last));
    } finally {
      stopped = true;
      await publishing;
      await context.close();
    }
  });
});
