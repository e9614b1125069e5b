/**
 * What the dashboard's tests stand on: a real cluster, the built pages served as `npm start` serves them, and a real
 * browser. Where there is no Chromium the tests are skipped, and say so.
 */
import { join } from 'node:path';
import { chromiumPath, mintOperatorToken, mintToken } from '@belfry/testkit';
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, vi } from 'vitest';
import { serveDashboard } from '../scripts/dashboard.mjs';
import { ROOT } from '../scripts/setup.mjs';
import { type Cluster, startCluster } from './dashboard-cluster.js';

const PAGES = join(ROOT, 'packages', 'dashboard', 'dist');
/** Of every test on the stage: a browser on a busy machine needs its time. */
const TIMEOUT_MS = 120_000;
const START_MS = 90_000;
const FIRST_PROPERTY = 1_000_010_001;

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

type Json = Readonly<Record<string, unknown>>;

export interface StageOptions {
  readonly gateways: number;
  /** Of every gateway. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** Everything but its methods is there from the first `beforeAll` on. */
export interface Stage extends Pick<Cluster, 'redis' | 'gateways' | 'publisher'> {
  readonly browser: Browser;
  /** Address of the pages. */
  readonly url: string;
  /** A new browser profile with an open, signed-in page. */
  open(options?: OpenOptions): Promise<Page>;
  /** One that no other test of the file knows. */
  newProperty(): string;
  /** So many open violations, of type HPD. */
  report(property: string, count: number, severity?: string, message?: string): Promise<void>;
  /**
   * Resolves when the property's log says so many open violations of type HPD: what the publisher has taken is not there
   * yet, and to a page that connects before it is it would be news, not something missed.
   */
  inLog(property: string, count: number): Promise<void>;
  change(change: Json | readonly Json[]): Promise<void>;
  event(event: Json): Promise<void>;
}

export interface OpenOptions {
  readonly claims?: Json;
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

export const ADMIN = { user_id: 'manager', role: 'ADMIN' };

/** A landlord of each test's own: the cluster keeps their portfolios. */
let landlord = 100;

export const tokenFor = (claims: Json = {}, expiresInSeconds = 3600): string =>
  mintToken({ user_id: `landlord-${landlord}`, role: 'LANDLORD', ...claims }, { expiresInSeconds });

/** Leads the page to where `url` serves the dashboard, signed in by the fragment. */
export async function signIn(page: Page, url: string, fragment: Readonly<Record<string, string>>): Promise<Page> {
  await page.goto(`${url}#${new URLSearchParams(fragment)}`);
  await page.locator('.status[data-status]').waitFor();
  return page;
}

/** Tests with a stage of their own, which starts before the first and ends after the last; each closes its pages. */
export function onStage(name: string, options: StageOptions, tests: (stage: Stage) => void): void {
  describe.skipIf(!hasChromium)(name, { timeout: TIMEOUT_MS }, () => {
    let cluster: Cluster;
    let browser: Browser;
    let server: Awaited<ReturnType<typeof serveDashboard>>;
    let properties = 0;
    const contexts = new Set<BrowserContext>();
    const url = () => `http://127.0.0.1:${server.port}/`;

    beforeAll(async () => {
      cluster = await startCluster({ gateways: options.gateways, gateway: options.settings ?? {} });
      server = await serveDashboard(PAGES, {
        host: '127.0.0.1',
        port: 0,
        gateways: cluster.gateways.map(({ wsUrl }) => wsUrl),
        operators: cluster.gateways.at(-1)?.operatorUrl ?? '',
        publisher: cluster.publisher.url,
      });
      browser = await launchBrowser();
    }, START_MS);
    afterEach(async () => {
      await Promise.all([...contexts].map((context) => context.close()));
      contexts.clear();
      landlord += 1;
    });
    afterAll(async () => {
      await browser?.close();
      server?.close();
      await cluster?.stop();
    });

    const change: Stage['change'] = (change) => cluster.post('/v1/changes', change);
    async function countOf(id: string): Promise<unknown> {
      const answer = await fetch(`${cluster.gateways.at(-1)?.url}/v1/state?channel=property:${id}`, {
        headers: { authorization: `Bearer ${tokenFor(ADMIN)}` },
      });
      const { channels } = (await answer.json()) as { channels?: { events: Json[] }[] };
      return channels?.[0]?.events.find(({ violation_type }) => violation_type === 'HPD')?.count;
    }
    tests({
      get redis() {
        return cluster.redis;
      },
      get gateways() {
        return cluster.gateways;
      },
      get publisher() {
        return cluster.publisher;
      },
      get browser() {
        return browser;
      },
      get url() {
        return url();
      },
      async open({ claims = {}, context: given = {}, expiresInSeconds, gateway, operator, path = '/', prepare } = {}) {
        const context = 'newPage' in given ? given : await browser.newContext(given);
        contexts.add(context);
        const page = await context.newPage();
        await prepare?.(page);
        return await signIn(page, url(), {
          token: tokenFor(claims, expiresInSeconds),
          page: path,
          ...(gateway ? { gateway } : {}),
          ...(operator ? { operator: mintOperatorToken() } : {}),
        });
      },
      newProperty: () => String(FIRST_PROPERTY + properties++),
      report: (id, count, severity = 'medium', message = `${count} open`) =>
        change({ property_id: id, violation_type: 'HPD', count, severity, message }),
      inLog: (id, count) =>
        vi.waitFor(async () => expect(await countOf(id)).toBe(count), { timeout: 15_000, interval: 20 }),
      change,
      event: (event) => cluster.post('/v1/events', event),
    });
  });
}
