/** Tabs that crash, whenever they do, and tabs that share what the browser keeps: the next visit misses nothing. */
import type { Page } from 'playwright-core';
import { expect, it, vi } from 'vitest';
import { connected, follows, hasTold, listsWhole, recordToasts, showsOpen } from './dashboard-sights.js';
import { onStage } from './dashboard-stage.js';

onStage('after a crash, the dashboard', { gateways: 1 }, (stage) => {
  /** Ends the page's process: no handler of the page hears of it. */
  async function crash(page: Page): Promise<void> {
    const devtools = await page.context().newCDPSession(page);
    const crashed = page.waitForEvent('crash');
    // Nobody is left to answer.
    devtools.send('Page.crash').catch(() => undefined);
    await crashed;
    await page.close();
  }

  /** Where the next visit would go on from. */
  const offsetKept = (page: Page, id: string): Promise<number | undefined> =>
    page.evaluate((channel) => {
      const name = Object.keys(localStorage).find((key) => key.endsWith(`belfry:${channel}`));
      return name === undefined ? undefined : Number(localStorage.getItem(name)?.split('-').at(-1));
    }, `property:${id}`);

  it('in the first moment of a first visit hands over all that came since', async () => {
    const id = stage.newProperty();
    const first = await stage.open({
      claims: { properties: [id] },
      prepare: async (page) => {
        await page.clock.install();
        await page.clock.pauseAt(Date.now() + 1_000);
      },
    });
    // Altogether less than the second after which positions are written otherwise.
    await vi.waitFor(
      async () => {
        await first.clock.runFor(10);
        expect(await offsetKept(first, id)).toBe(0);
      },
      { timeout: 15_000, interval: 200 },
    );
    await crash(first);
    for (const count of [1, 2, 3]) await stage.report(id, count);
    const again = await stage.open({ claims: { properties: [id] }, context: first.context(), prepare: recordToasts });
    // The clock is the browser profile's.
    await again.clock.resume();
    await showsOpen(again, id, 3);
    await hasTold(again, '3 changes while you were away');
    await listsWhole(again, id, 3);
  });

  it('still lists what it had shown, and what came since, each once', async () => {
    const id = stage.newProperty();
    const claims = { properties: [id] };
    const first = await stage.open({ claims });
    await follows(first, id);
    for (const count of [1, 2, 3]) await stage.report(id, count);
    await showsOpen(first, id, 3);
    await vi.waitFor(async () => expect(await offsetKept(first, id)).toBe(3), { timeout: 10_000, interval: 20 });
    await crash(first);
    await stage.report(id, 4);
    const again = await stage.open({ claims, context: first.context(), prepare: recordToasts });
    await showsOpen(again, id, 4);
    await hasTold(again, '1 change while you were away');
    await listsWhole(again, id, 4);
  });

  it('of one of two tabs goes on in the other, and lists in the next visit what either has shown', async () => {
    const id = stage.newProperty();
    const claims = { properties: [id] };
    const one = await stage.open({ claims });
    const context = one.context();
    await follows(one, id);
    const two = await stage.open({ claims, context });
    await follows(two, id);
    await stage.report(id, 1);
    await Promise.all([one, two].map((page) => showsOpen(page, id, 1)));
    await crash(one);
    await stage.report(id, 2);
    await showsOpen(two, id, 2, 30_000);
    await connected(two);
    await two.goto('about:blank');
    await stage.report(id, 3);
    const again = await stage.open({ claims, context });
    await showsOpen(again, id, 3);
    await listsWhole(again, id, 3);
  });
});
