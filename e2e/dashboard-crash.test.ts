/** Tabs that crash, whenever they do, and tabs that share what the browser keeps: the next visit misses nothing. */
import type { TestGateway } from '@belfry/testkit';
import type { Page } from 'playwright-core';
import { expect, it, vi } from 'vitest';
import {
  connected,
  follows,
  goTo,
  hasTold,
  listed,
  listsWhole,
  recordToasts,
  row,
  showsOpen,
  standStill,
} from './dashboard-sights.js';
import { onStage } from './dashboard-stage.js';

onStage('the dashboard', { gateways: 1 }, (stage) => {
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

  it('after a crash in the first moment of a first visit hands over all that came since', async () => {
    const id = stage.newProperty();
    const first = await stage.open({
      claims: { properties: [id] },
      prepare: async (page) => {
        await page.clock.install();
        await standStill(page);
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
    await stage.inLog(id, 3);
    const again = await stage.open({ claims: { properties: [id] }, context: first.context(), prepare: recordToasts });
    // The clock is the browser profile's.
    await again.clock.resume();
    await showsOpen(again, id, 3);
    await hasTold(again, '3 changes while you were away');
    await listsWhole(again, id, 3);
  });

  it('after a crash still lists what it had shown, and what came since, each once', async () => {
    const id = stage.newProperty();
    const claims = { properties: [id] };
    const first = await stage.open({ claims });
    await follows(first, id);
    for (const count of [1, 2, 3]) await stage.report(id, count);
    await showsOpen(first, id, 3);
    await vi.waitFor(async () => expect(await offsetKept(first, id)).toBe(3), { timeout: 10_000, interval: 20 });
    await crash(first);
    await stage.report(id, 4);
    await stage.inLog(id, 4);
    const again = await stage.open({ claims, context: first.context(), prepare: recordToasts });
    await showsOpen(again, id, 4);
    await hasTold(again, '1 change while you were away');
    await listsWhole(again, id, 4);
  });

  it('after a crash of one of two tabs goes on in the other, and lists in the next visit what either has shown', async () => {
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

  it('works in two tabs, which follow one connection and survive each other', async () => {
    const id = stage.newProperty();
    const claims = { user_id: 'landlord-2', properties: [id] };
    const one = await stage.open({ claims });
    const two = await stage.open({ claims, context: one.context() });
    await Promise.all([connected(one), connected(two)]);
    await stage.report(id, 1);
    await Promise.all([showsOpen(one, id, 1), showsOpen(two, id, 1)]);
    const operators = stage.gateways.at(-1) as TestGateway;
    const answer = await operators.operate('/ws/connections?user=landlord-2');
    expect(((await answer.json()) as { total: number }).total).toBe(1);
    await one.close();
    await stage.report(id, 2);
    await connected(two);
    await showsOpen(two, id, 2);
    await listsWhole(two, id, 2);
  });

  it('shows each of two users, in two tabs, what is theirs, after a reload too', async () => {
    const [first, second] = [stage.newProperty(), stage.newProperty()];
    const one = await stage.open({ claims: { user_id: 'landlord-3', properties: [first] } });
    const two = await stage.open({ claims: { user_id: 'landlord-4', properties: [second] }, context: one.context() });
    await follows(one, first);
    await follows(two, second);
    await stage.report(first, 1);
    await stage.report(second, 2);
    await showsOpen(one, first, 1);
    await showsOpen(two, second, 2);
    await goTo(one, 'Alerts');
    const wanted = (page: Page) => page.getByLabel('Show a message for each update');
    await wanted(one).uncheck();
    for (const [page, own, open, others, told] of [
      [one, first, 1, second, false],
      [two, second, 2, first, true],
    ] as const) {
      await page.reload();
      await goTo(page, 'Portfolio');
      await showsOpen(page, own, open);
      expect(await row(page, others).count()).toBe(0);
      await goTo(page, 'Activity');
      await page.locator('.activity').first().waitFor();
      expect(await listed(page, others)).toEqual([]);
      await goTo(page, 'Alerts');
      expect(await wanted(page).isChecked()).toBe(told);
    }
  });
});
