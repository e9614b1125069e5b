/** The dashboard while things break: gateways and Redis. Nothing is missed, nothing comes twice. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { connected, hasChromium, listed, type Stage, showsOpen, startStage, status } from './dashboard-stage.js';

const TIMEOUT_MS = 60_000;

describe.skipIf(!hasChromium)('while things break, the dashboard', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage(3);
  }, 40_000);
  afterEach(() => stage.clear());
  afterAll(() => stage?.stop());

  let lots = 0;
  const newProperty = (): string => String(2_000_010_000 + ++lots);
  const report = (id: string, count: number, severity = 'medium') =>
    stage.change({ property_id: id, violation_type: 'HPD', count, severity });
  const countTo = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => from + index);
  const toActivity = (page: Page) => page.getByRole('link', { name: 'Activity', exact: true }).click();

  /** Offsets of what is listed: without a hole and without a double where all of it arrived once. */
  async function offsets(page: Page, id: string): Promise<number[]> {
    return (await listed(page, id)).map((key) => Number(key.split('-').at(-1)));
  }
  const until = (page: Page, id: string, last: number) =>
    vi.waitFor(async () => expect((await offsets(page, id)).at(-1)).toBe(last), { timeout: 30_000, interval: 100 });

  it(
    'goes yellow and then green when its gateway is killed; nothing is missed, nothing comes twice',
    async () => {
      const id = newProperty();
      const page = await stage.open({ claims: { properties: [id] } });
      await connected(page);
      await report(id, 1);
      await showsOpen(page, id, 1);
      const colours = await page.evaluateHandle(() => {
        const seen: string[] = [];
        const chip = document.querySelector('.status') as HTMLElement;
        new MutationObserver(() => seen.push(chip.className.replace('status status-', ''))).observe(chip, {
          attributes: true,
          attributeFilter: ['class'],
        });
        return seen;
      });
      let n = 1;
      let publishing = true;
      const published = (async () => {
        while (publishing) await report(id, ++n);
      })();
      await stage.gateways[0]?.kill();
      await page.locator('.status-waiting').waitFor();
      await connected(page);
      await new Promise((resolve) => setTimeout(resolve, 300));
      publishing = false;
      await published;
      await showsOpen(page, id, n);
      await toActivity(page);
      await until(page, id, n);
      const all = await offsets(page, id);
      expect(all).toEqual(countTo(all[0] ?? 0, n));
      expect(await colours.jsonValue()).toEqual(['waiting', 'good']);
      expect(await status(page).textContent()).toBe('Connected');
    },
    TIMEOUT_MS,
  );

  it(
    'stays as it is while Redis is away, and goes on when it is back',
    async () => {
      const id = newProperty();
      const page = await stage.open({ claims: { properties: [id] } });
      await report(id, 1);
      await showsOpen(page, id, 1);
      await stage.redis.restart({ keepData: true });
      await vi.waitFor(() => report(id, 2), { timeout: 20_000, interval: 300 });
      await showsOpen(page, id, 2, 30_000);
      await toActivity(page);
      const all = await vi.waitFor(async () => {
        const found = await listed(page, id);
        expect(found.length).toBeGreaterThanOrEqual(2);
        return found;
      });
      expect(new Set(all).size).toBe(all.length);
    },
    TIMEOUT_MS,
  );
});
