/**
 * What the dashboard's tests stand on: a real cluster, the built pages served as `npm start` serves them, and a real
 * browser. Where there is no Chromium the tests are skipped, and say so.
 */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  chromiumPath,
  mintOperatorToken,
  mintToken,
  startGateway,
  startPublisher,
  startRedis,
  TEST_SECRET,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { expect, vi } from 'vitest';
import { serveDashboard } from '../scripts/dashboard.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PAGES = join(ROOT, 'packages', 'dashboard', 'dist');
/** Screenshots for people; nobody compares them. */
export const ARTEFACTS = join(ROOT, '.belfry', 'dashboard');

const executablePath = chromiumPath();
export const hasChromium = executablePath !== undefined;
if (!hasChromium) console.warn("The dashboard's tests are skipped: no Chromium on the PATH.");

/** Without these Chromium looks for its maker's servers at every start. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** @throws where there is no Chromium */
export function launchBrowser(): Promise<Browser> {
  if (!executablePath) throw new Error('no Chromium on the PATH');
  return chromium.launch({ executablePath, args: FLAGS });
}

export interface Stage {
  readonly redis: TestRedis;
  readonly gateways: TestGateway[];
  readonly publisher: TestProcess;
  readonly browser: Browser;
  /** Address of the pages. */
  readonly url: string;
  /** A new browser profile with an open, signed-in page. */
  open(options?: OpenOptions): Promise<Page>;
  /** Adds a gateway to those that the pages know. */
  addGateway(env?: Readonly<Record<string, string>>): Promise<TestGateway>;
  change(change: Readonly<Record<string, unknown>> | readonly Readonly<Record<string, unknown>>[]): Promise<void>;
  event(event: Readonly<Record<string, unknown>>): Promise<void>;
  /** Closes every page, so that no test sees another's. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

export interface OpenOptions {
  readonly claims?: Readonly<Record<string, unknown>>;
  readonly expiresInSeconds?: number;
  /** Of the page, such as `/settings`. */
  readonly path?: string;
  readonly context?: BrowserContext | BrowserContextOptions;
  readonly operator?: boolean;
  /** Instead of those that the pages are told of. */
  readonly gateway?: string;
  /** Before the page loads. */
  readonly prepare?: (page: Page) => Promise<unknown>;
}

/** A landlord of each test's own: the cluster keeps their portfolios. */
let landlord = 100;

export const tokenFor = (claims: Readonly<Record<string, unknown>> = {}, expiresInSeconds = 3600): string =>
  mintToken({ user_id: `landlord-${landlord}`, role: 'LANDLORD', ...claims }, { expiresInSeconds });

/** @param settings of every gateway */
export async function startStage(gatewayCount = 2, settings: Readonly<Record<string, string>> = {}): Promise<Stage> {
  const redis = await startRedis();
  const start = (name: string, env: Readonly<Record<string, string>> = {}) =>
    startGateway({ REDIS_URL: redis.url, NODE_NAME: name, ...settings, ...env });
  const [publisher, ...gateways] = await Promise.all([
    startPublisher({ REDIS_URL: redis.url, JWT_SECRET: TEST_SECRET }),
    ...Array.from({ length: gatewayCount }, (_, index) => start(`gateway-${index + 1}`)),
  ]);
  const known: string[] = gateways.map(({ wsUrl }) => wsUrl);
  const operators = gateways.at(-1)?.operatorUrl ?? '';
  const server = await serveDashboard(PAGES, {
    host: '127.0.0.1',
    port: 0,
    gateways: known,
    operators,
    publisher: publisher.url,
  });
  const browser = await launchBrowser();
  const url = `http://127.0.0.1:${server.port}/`;
  const contexts = new Set<BrowserContext>();

  async function post(path: string, body: unknown): Promise<void> {
    const response = await fetch(`${publisher.url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
    if (response.status !== 202) throw new Error(`${path} answered ${response.status}: ${await response.text()}`);
  }

  return {
    redis,
    gateways,
    publisher,
    browser,
    url,
    async open({ claims = {}, context: given = {}, expiresInSeconds, gateway, operator, path = '/', prepare } = {}) {
      const context = 'newPage' in given ? given : await browser.newContext(given);
      contexts.add(context);
      const page = await context.newPage();
      await prepare?.(page);
      const fragment = new URLSearchParams({
        token: tokenFor(claims, expiresInSeconds),
        page: path,
        ...(gateway ? { gateway } : {}),
        ...(operator ? { operator: mintOperatorToken() } : {}),
      });
      await page.goto(`${url}#${fragment}`);
      await page.locator('.status[data-status]').waitFor();
      return page;
    },
    async addGateway(env) {
      const gateway = await start(`gateway-${gateways.length + 1}`, env);
      gateways.push(gateway);
      known.push(gateway.wsUrl);
      return gateway;
    },
    change: (change) => post('/v1/changes', change),
    event: (event) => post('/v1/events', event),
    async clear() {
      await Promise.all([...contexts].map((context) => context.close()));
      contexts.clear();
      landlord += 1;
    },
    async stop() {
      await browser.close();
      server.close();
      await Promise.all([...gateways, publisher].map((process) => process.stop()));
      await redis.stop();
    },
  };
}

export const status = (page: Page) => page.locator('.status');
export const connected = (page: Page) => page.locator('.status[data-status="connected"]').waitFor();
export const row = (page: Page, id: string) => page.locator(`[data-property="${id}"]`);
/** Resolves when the page, at its portfolio, follows the property: what happens from then on is news. */
export const follows = (page: Page, id: string) =>
  page.locator(`[data-property="${id}"][data-phase="ready"]`).waitFor();
/** Resolves when the row shows so many open violations. */
export const showsOpen = (page: Page, id: string, open: number, timeout = 15_000) =>
  row(page, id).locator(`[data-open="${open}"]`).waitFor({ timeout });

/** Positions of what the activity page lists for a property, oldest first. */
export const listed = (page: Page, id: string) =>
  page
    .locator(`.activity[data-key^="property:${id}|"]`)
    .evaluateAll((items) => items.map((item) => item.getAttribute('data-key') ?? '').reverse());

export const toActivity = (page: Page) => page.getByRole('link', { name: 'Activity', exact: true }).click();

/** Waits until the activity page lists so many events of the property: without a hole, none of them twice. */
export async function listsWhole(page: Page, id: string, count: number): Promise<void> {
  await toActivity(page);
  const offsets = async () => (await listed(page, id)).map((key) => Number(key.split('-').at(-1)));
  const all = await vi.waitFor(
    async () => {
      const found = await offsets();
      expect(found.length).toBeGreaterThanOrEqual(count);
      return found;
    },
    { timeout: 30_000, interval: 100 },
  );
  expect(all).toEqual(Array.from({ length: count }, (_, index) => (all[0] ?? 0) + index));
}

/** A toast as it was shown, in the page's own time. */
export interface ShownToast {
  readonly text: string;
  readonly at: number;
  /** Since when it is not there any more. */
  gone?: number;
}

/** Before the page loads: toasts go by themselves, on a busy machine before a test has looked. */
export const recordToasts = (page: Page): Promise<unknown> =>
  page.addInitScript(() => {
    const shown: ShownToast[] = [];
    const latest = new Map<Element, ShownToast>();
    Object.assign(globalThis, { shown });
    new MutationObserver(() => {
      for (const toast of document.querySelectorAll('[data-sonner-toast]')) {
        const text = toast.textContent ?? '';
        if (latest.get(toast)?.text === text) continue;
        const entry: ShownToast = { text, at: Date.now() };
        latest.set(toast, entry);
        shown.push(entry);
      }
      for (const [toast, entry] of latest) if (!toast.isConnected) entry.gone ??= Date.now();
    }).observe(document, { childList: true, characterData: true, subtree: true });
  });

/** All that were ever shown, a changed one once more. */
export const toastsOf = (page: Page): Promise<readonly ShownToast[]> =>
  page.evaluate(() => (globalThis as unknown as { shown: ShownToast[] }).shown);

export async function screenshot(page: Page, name: string): Promise<void> {
  mkdirSync(ARTEFACTS, { recursive: true });
  await page.screenshot({ path: join(ARTEFACTS, `${name}.png`), fullPage: true, animations: 'disabled' });
}
