/**
 * The SDK as it is published, in a real Chromium: the same scenarios as in Node, and what only a browser can show (tabs,
 * storage, the back/forward cache, frozen pages).
 */
import { readFile } from 'node:fs/promises';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { chromiumPath, deferred, type PageServer, servePages, startBrowser } from '@belfry/testkit';
import { transform } from 'esbuild';
import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import type { Client, ClientOptions, ConnectionState } from './api.js';
import type { createClient } from './client.js';
import { describeScenarios, type Subject } from './scenarios.test-support.js';
import { type ScriptedServer, startScriptedServer, welcome } from './scripted-server.test-support.js';
import type { record } from './subject.test-support.js';

const CHANNEL = 'property:1000010001';
const HTML = `<!doctype html><title>page</title><link rel="icon" href="data:,"><script type="module">
import { createClient } from './index.js';
import { record } from './subject.js';
Object.assign(window, { createClient, record });
</script>`;
const PATIENCE = { timeout: 15_000, interval: 20 };

/** What the page loads, and keeps for the test. */
interface Kept {
  createClient: typeof createClient;
  record: typeof record;
  client?: Client;
  lines?: readonly string[];
}

let browser: Browser;
let pages: PageServer;
let server: ScriptedServer;
let context: BrowserContext;

async function servedFiles() {
  const bundle = async (name: string) => ({
    type: 'text/javascript' as const,
    body: await readFile(fileURLToPath(new URL(`../dist/${name}`, import.meta.url)), 'utf8'),
  });
  const source = await readFile(fileURLToPath(new URL('./subject.test-support.ts', import.meta.url)), 'utf8');
  const { code } = await transform(source, { loader: 'ts', format: 'esm' });
  const html = { type: 'text/html' as const, body: HTML };
  return {
    '/': html,
    '/elsewhere': html,
    '/index.js': await bundle('index.js'),
    '/share.js': await bundle('share.js'),
    '/sse.js': await bundle('sse.js'),
    '/subject.js': { type: 'text/javascript' as const, body: code },
  };
}

interface Opening {
  readonly channels: readonly string[];
  readonly state: boolean;
  readonly stored: boolean;
  readonly options: Partial<ClientOptions>;
}

async function openPage(): Promise<Page> {
  const page = await context.newPage();
  await page.goto(pages.url);
  return page;
}

/** Creates a client in the page, with patience for a slow machine. */
const openClient = (page: Page, opening: Partial<Opening> = {}) =>
  page.evaluate(
    ({ url, channels, state, stored, options }) => {
      const kept = window as unknown as Kept;
      const client = kept.createClient({
        url,
        getToken: () => 'token',
        fallback: false,
        connectTimeoutMs: 15_000,
        random: () => (1 + Math.random()) / 20,
        ...(stored && { storage: localStorage }),
        ...options,
      });
      kept.client = client;
      kept.lines = kept.record(client, channels, state);
    },
    { url: server.url, channels: [CHANNEL], state: false, stored: false, options: {}, ...opening },
  );

const linesOf = (page: Page) => page.evaluate(() => (window as unknown as Kept).lines ?? []);
const stateOf = (page: Page) =>
  page.evaluate(() => (window as unknown as Required<Kept>).client.state as ConnectionState);
const eventsOf = async (page: Page) =>
  (await linesOf(page)).filter((line) => line.startsWith('event')).map((line) => line.split(' ')[2]);
const told = (page: Page, line: string) =>
  vi.waitFor(async () => expect(await linesOf(page)).toContainEqual(expect.stringContaining(line)), PATIENCE);
const until = (check: () => Promise<void>) => vi.waitFor(check, PATIENCE);

/** A server that answers once it is told to. */
async function startHolding() {
  const held = deferred<ServerResponse>();
  const server = createServer((_request, response) => held.resolve(response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const answer = async () => (await held.promise).writeHead(200, { 'access-control-allow-origin': '*' }).end();
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    held: held.promise,
    release: () => void answer(),
    close: () => new Promise((resolve) => server.close(resolve)),
  };
}

describe.runIf(chromiumPath())('in Chromium', () => {
  beforeAll(async () => {
    browser = await startBrowser();
    pages = await servePages(await servedFiles());
  });
  beforeEach(async () => {
    server = await startScriptedServer();
    context = await browser.newContext();
  });
  afterEach(async () => {
    await context.close();
    await server.close();
  });
  afterAll(async () => {
    await browser?.close();
    await pages?.close();
  });

  let page: Page | undefined;
  const subject: Subject = {
    open: async (_url, channels, { state = false, ...options } = {}) => {
      page = await openPage();
      await openClient(page, { channels, state, options });
    },
    lines: () => (page ? linesOf(page) : Promise.resolve([])),
    state: () => stateOf(page as Page),
  };
  describeScenarios(() => ({ server, subject }));

  const shared = { share: 'manager' };

  async function openTabs(...more: readonly Partial<ClientOptions>[]): Promise<Page[]> {
    const tabs: Page[] = [];
    for (const options of more) {
      const tab = await openPage();
      await openClient(tab, { options: { ...shared, ...options } });
      await told(tab, 'live');
      tabs.push(tab);
    }
    return tabs;
  }
  const receives = (tab: Page, from: number, to: number) =>
    until(async () =>
      expect(await eventsOf(tab)).toEqual(Array.from({ length: to - from + 1 }, (_, n) => `7-${from + n}`)),
    );

  it('two tabs have one connection, and the second takes it over when the first is closed: nothing is missed', async () => {
    const [one, two] = (await openTabs({}, {})) as [Page, Page];
    expect(server.peers).toHaveLength(1);
    server.publish(CHANNEL, 3);
    await receives(two, 1, 3);
    await receives(one, 1, 3);
    await one.close();
    server.publish(CHANNEL, 1);
    await until(async () => expect(server.peers).toHaveLength(2));
    server.publish(CHANNEL, 1);
    await receives(two, 1, 5);
  });

  it('tabs that are opened at the same time have one connection, however slow it is to come about', async () => {
    const slow = new Promise<void>((resolve) => setTimeout(resolve, 3_000));
    server.script({ connected: (peer) => void slow.then(() => welcome(peer)) });
    const tabs = await Promise.all([openPage(), openPage(), openPage()]);
    await Promise.all(tabs.map((tab) => openClient(tab, { options: shared })));
    await Promise.all(tabs.map((tab) => told(tab, 'live')));
    expect(server.attempts).toHaveLength(1);
    server.publish(CHANNEL, 2);
    await Promise.all(tabs.map((tab) => receives(tab, 1, 2)));
  });

  it('a tab that crashes is replaced at once by one that listened, for all: nothing lost, nothing twice', async () => {
    const [one, two, three] = (await openTabs({}, {}, {})) as [Page, Page, Page];
    server.publish(CHANNEL, 2);
    await receives(three, 1, 2);
    await one.goto('chrome://crash').catch(() => undefined);
    await until(async () => expect(server.peers).toHaveLength(2));
    server.publish(CHANNEL, 2);
    await Promise.all([receives(two, 1, 4), receives(three, 1, 4)]);
    expect(server.peers).toHaveLength(2);
  });

  it('a tab whose script hangs holds up nobody, and when it goes on it has everything once', async () => {
    const [one] = (await openTabs({})) as [Page];
    // A script that waits for an answer holds up its page as one that counts to a billion does, and ends when it is told to.
    const holding = await startHolding();
    const hanging = one.evaluate((url) => {
      const request = new XMLHttpRequest();
      request.open('GET', url, false);
      request.send();
    }, holding.url);
    await holding.held;
    const [two] = (await openTabs({})) as [Page];
    expect(server.peers).toHaveLength(2);
    server.publish(CHANNEL, 2);
    await receives(two, 1, 2);
    holding.release();
    await hanging;
    await holding.close();
    await receives(one, 1, 2);
    await one.close();
    // The one that connected by itself has the lock now, and connects for others.
    const [three] = (await openTabs({})) as [Page];
    expect(server.peers).toHaveLength(2);
    server.publish(CHANNEL, 1);
    await Promise.all([receives(two, 1, 3), receives(three, 3, 3)]);
  });

  it('a tab that goes into the back/forward cache hands the connection on', async () => {
    const [one, two] = (await openTabs({}, {})) as [Page, Page];
    await one.goto(`${pages.url}/elsewhere`);
    await until(async () => expect(server.peers).toHaveLength(2));
    server.publish(CHANNEL, 2);
    await receives(two, 1, 2);
  });

  it('tabs of two users never share, whatever the application calls them', async () => {
    const tokenOf = (user: string) => `e30.${btoa(JSON.stringify({ user_id: user, exp: 1 }))}.c2ln`;
    for (const user of ['manager', 'landlord-7']) {
      const tab = await openPage();
      await tab.evaluate(
        ({ url, token, channel }) => {
          const kept = window as unknown as Kept;
          const client = kept.createClient({ url, getToken: () => token, share: 'app' });
          kept.lines = kept.record(client, [channel]);
        },
        { url: server.url, token: tokenOf(user), channel: CHANNEL },
      );
      await told(tab, 'live');
    }
    const tokens = server.peers.map(({ received }) => received.find(({ type }) => type === 'AUTHENTICATE')?.token);
    expect(tokens).toEqual([tokenOf('manager'), tokenOf('landlord-7')]);
  });

  it('a page that is reloaded goes on behind the last event it handled', async () => {
    const first = await openPage();
    await openClient(first, { stored: true });
    await told(first, 'live');
    server.publish(CHANNEL, 2);
    await until(async () => expect(await eventsOf(first)).toHaveLength(2));
    await first.goto(`${pages.url}/elsewhere`);
    server.publish(CHANNEL, 3);
    await first.goto(pages.url);
    await openClient(first, { stored: true, state: true });
    await told(first, 'recovered 3');
    expect(await eventsOf(first)).toEqual(['7-3', '7-4', '7-5']);
    expect(await linesOf(first)).toContain(`state ${CHANNEL} 7-5`);
  });

  it('a page that goes into the back/forward cache lets go of its connection, and goes on where it was', async () => {
    const first = await openPage();
    await openClient(first);
    await told(first, 'live');
    server.publish(CHANNEL, 1);
    await until(async () => expect(await eventsOf(first)).toHaveLength(1));
    await first.goto(`${pages.url}/elsewhere`);
    await until(async () => expect(server.peers[0]?.socket.readyState).toBe(WebSocket.CLOSED));
    server.publish(CHANNEL, 2);
    // Playwright loses sight of a page that comes back; the server sees it. Without storage, only a page that was kept
    // whole knows its position.
    await first.evaluate(() => {
      setTimeout(() => history.back(), 0);
    });
    await until(async () =>
      expect(server.peers[1]?.received).toContainEqual(
        expect.objectContaining({ type: 'SUBSCRIBE', after: { [CHANNEL]: '7-1' } }),
      ),
    );
  });

  it('the browser’s “offline” is a question to the gateway, no more', async () => {
    const first = await openPage();
    await openClient(first);
    await told(first, 'live');
    const pings = () => server.peers[0]?.received.filter(({ type }) => type === 'PING').length ?? 0;
    await until(async () => {
      await first.evaluate(() => window.dispatchEvent(new Event('offline')));
      expect(pings()).toBeGreaterThan(0);
    });
    expect(await stateOf(first)).toMatchObject({ status: 'connected' });
  });

  it('runs where nothing is but the page: no console errors', async () => {
    const first = await context.newPage();
    const problems: string[] = [];
    first.on('pageerror', (error) => problems.push(String(error)));
    first.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
    await first.goto(pages.url);
    await openClient(first, { state: true });
    await told(first, 'live');
    server.publish(CHANNEL, 5);
    await until(async () => expect(await eventsOf(first)).toHaveLength(5));
    await first.evaluate(() => (window as unknown as Required<Kept>).client.dispose());
    expect(problems).toEqual([]);
  });
});
