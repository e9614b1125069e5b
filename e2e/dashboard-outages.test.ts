/** The dashboard while things break: gateways, Redis, the network, the token. Nothing is missed, nothing comes twice. */
import { expect, it, vi } from 'vitest';
import {
  connected,
  follows,
  goTo,
  hasTold,
  listed,
  listsWhole,
  openAt,
  recordToasts,
  row,
  showsOpen,
  statesFromNowOn,
  status,
} from './dashboard-sights.js';
import { onStage, tokenFor } from './dashboard-stage.js';

/** The SDK does not doubt a connection on which something came within this time. */
const FRESH_MS = 1_500;
const PACE_MS = 40;
/** The log, which keeps 128, still holds all that happens while a page finds another gateway, however long that takes. */
const MOST_MISSED = 64;
const HOUR_MS = 3_600_000;

onStage('while things break, the dashboard', { gateways: 3 }, (stage) => {
  it('goes yellow and then green when its gateway is killed; nothing is missed, nothing comes twice', async () => {
    const id = stage.newProperty();
    const page = await stage.open({ claims: { properties: [id] } });
    await connected(page);
    await stage.report(id, 1);
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
      while (publishing) {
        if (n - (await openAt(page, id)) < MOST_MISSED) await stage.report(id, ++n);
        await page.waitForTimeout(PACE_MS);
      }
    })();
    await stage.gateways[0].kill();
    // Yellow may be over before anybody has looked.
    await vi.waitFor(async () => expect(await colours.jsonValue()).toEqual(['waiting', 'good']), { timeout: 30_000 });
    const before = n;
    await vi.waitFor(async () => expect(await openAt(page, id)).toBeGreaterThan(before), { timeout: 15_000 });
    publishing = false;
    await published;
    await showsOpen(page, id, n);
    await listsWhole(page, id, n);
    expect(await colours.jsonValue()).toEqual(['waiting', 'good']);
    expect(await status(page).textContent()).toBe('Connected');
  });

  it('stays as it is while Redis is away, and goes on when it is back', async () => {
    const id = stage.newProperty();
    const page = await stage.open({ claims: { properties: [id] } });
    await stage.report(id, 1);
    await showsOpen(page, id, 1);
    await connected(page);
    const states = await statesFromNowOn(page);
    await stage.redis.restart({ keepData: true });
    await vi.waitFor(() => stage.report(id, 2), { timeout: 20_000, interval: 300 });
    await showsOpen(page, id, 2, 30_000);
    await goTo(page, 'Activity');
    const all = await vi.waitFor(
      async () => {
        const found = await listed(page, id);
        expect(found.length).toBeGreaterThanOrEqual(2);
        return found;
      },
      { timeout: 15_000 },
    );
    expect(new Set(all).size).toBe(all.length);
    expect(await states.jsonValue()).toEqual([]);
  });

  it('asks for a new token before the old one ends, says when it has, and goes on where it was', async () => {
    const id = stage.newProperty();
    await stage.report(id, 1);
    const page = await stage.open({ claims: { properties: [id] }, expiresInSeconds: 14 });
    // Watched for from the beginning: it is there for some two seconds.
    await Promise.all([page.getByText('Your session ends soon').waitFor(), showsOpen(page, id, 1)]);
    await page.getByText('Your session has ended').waitFor();
    await page.locator('.status-bad').waitFor();
    await stage.report(id, 2);
    const field = page.getByLabel('New access token');
    await field.fill(tokenFor({ user_id: 'landlord-8' }));
    await page.getByRole('button', { name: 'Continue' }).click();
    await page.getByText('of another user').waitFor();
    await field.fill(tokenFor({ properties: [id] }));
    await page.getByRole('button', { name: 'Continue' }).click();
    await connected(page);
    await showsOpen(page, id, 2);
    await page.locator('.renewal').waitFor({ state: 'hidden' });
    await listsWhole(page, id, 2);
  });

  it('polls from the third failure on where WebSockets are blocked, and hands back when they are not', async () => {
    const id = stage.newProperty();
    await stage.report(id, 1);
    const page = await stage.open({
      claims: { properties: [id] },
      prepare: (page) =>
        page.addInitScript(() => {
          // The first poll is due in half a second then, and the fourth attempt in two.
          Math.random = () => 0.5;
          const Real = WebSocket;
          const gate = { blocked: true, tried: 0, triedAtFirstPoll: undefined as number | undefined };
          const ask = globalThis.fetch;
          globalThis.fetch = (...given) => {
            if (String(given[0] instanceof Request ? given[0].url : given[0]).includes('/v1/state')) {
              gate.triedAtFirstPoll ??= gate.tried;
            }
            return ask(...given);
          };
          Object.assign(globalThis, {
            gate,
            WebSocket: class extends Real {
              constructor(url: string) {
                gate.tried += 1;
                super(gate.blocked ? 'ws://127.0.0.1:1' : url);
              }
            },
          });
        }),
    });
    // Whoever does not want to wait need not.
    const hurry = async (): Promise<void> => {
      const button = page.getByRole('button', { name: 'Try now' });
      await button.click({ timeout: 500 }).catch(() => undefined);
    };
    const gate = () =>
      page.evaluate(() => (globalThis as unknown as { gate: { tried: number; triedAtFirstPoll?: number } }).gate);
    await vi.waitFor(
      async () => {
        // Not for the third: a click that comes late would be a fourth.
        if ((await gate()).tried < 2) await hurry();
        expect(await status(page).getAttribute('data-mode')).toBe('polling');
      },
      { timeout: 30_000, interval: 100 },
    );
    expect((await gate()).triedAtFirstPoll).toBe(3);
    expect(await status(page).textContent()).toMatch(/^Polling · attempt [3-5]/);
    await showsOpen(page, id, 1);
    await stage.report(id, 2);
    await showsOpen(page, id, 2, 25_000);
    await page.evaluate(() => {
      (globalThis as unknown as { gate: { blocked: boolean } }).gate.blocked = false;
    });
    await vi.waitFor(
      async () => {
        await hurry();
        expect(await status(page).getAttribute('data-status')).toBe('connected');
      },
      { timeout: 30_000, interval: 100 },
    );
    await stage.report(id, 3);
    await showsOpen(page, id, 3);
    await listsWhole(page, id, 3);
  });

  it('notices that the device is offline, and catches up when it is online', async () => {
    const id = stage.newProperty();
    const page = await stage.open({ claims: { properties: [id] } });
    await stage.report(id, 1);
    await showsOpen(page, id, 1);
    await connected(page);
    // Chromium's switch leaves open sockets alone: the other end is frozen, which is what a cut cable feels like.
    for (const gateway of stage.gateways.slice(1)) gateway.signal('SIGSTOP');
    try {
      await page.waitForTimeout(FRESH_MS);
      await page.context().setOffline(true);
      await page.locator('.status-waiting').waitFor({ timeout: 30_000 });
    } finally {
      for (const gateway of stage.gateways.slice(1)) gateway.signal('SIGCONT');
    }
    await stage.report(id, 2);
    await page.getByText('This device is offline').waitFor();
    expect(await openAt(page, id)).toBe(1);
    await page.context().setOffline(false);
    await connected(page);
    await showsOpen(page, id, 2);
    await listsWhole(page, id, 2);
  });

  it('that was closed for an hour and is opened again shows exactly what it missed', async () => {
    const [a, b] = [stage.newProperty(), stage.newProperty()];
    const claims = { properties: [a, b] };
    const first = await stage.open({ claims });
    const context = first.context();
    await stage.report(a, 1);
    await showsOpen(first, a, 1);
    await follows(first, b);
    // The page is left, not killed: that is when positions are written at the latest.
    await first.goto('about:blank');
    for (const count of [2, 3, 4]) await stage.report(a, count);
    await stage.report(b, 7, 'high');
    await Promise.all([stage.inLog(a, 4), stage.inLog(b, 7)]);
    const again = await stage.open({
      claims,
      context,
      expiresInSeconds: 3 * 3_600,
      prepare: async (page) => {
        await page.clock.install({ time: Date.now() + HOUR_MS });
        await recordToasts(page);
      },
    });
    await showsOpen(again, a, 4);
    await showsOpen(again, b, 7);
    await hasTold(again, '4 changes while you were away');
    expect(await row(again, a).locator('time').textContent()).toBe('1 hr. ago');
    await goTo(again, 'Activity');
    await again.getByText('4 events came while you were away').waitFor();
    expect(await again.locator('[data-origin="replay"]').count()).toBe(4);
    await listsWhole(again, a, 4);
    await listsWhole(again, b, 1);
  });

  it('that missed more than is kept has the right numbers, and says that its list is not complete', async () => {
    const id = stage.newProperty();
    const claims = { user_id: 'landlord-3', properties: [id] };
    const first = await stage.open({ claims });
    await stage.report(id, 1);
    await showsOpen(first, id, 1);
    await connected(first);
    await goTo(first, 'Activity');
    expect(await first.getByText('this list is not complete').count()).toBe(0);
    await first.goto('about:blank');
    // LOG_MAX_EVENTS is 128.
    for (let count = 2; count <= 140; count += 1) await stage.report(id, count);
    await stage.inLog(id, 140);
    const again = await stage.open({ claims, context: first.context() });
    await showsOpen(again, id, 140);
    await goTo(again, 'Activity');
    await again.getByText('this list is not complete').waitFor();
  });

  it('says when Redis has lost what it had, shows what is so since, and keeps what it has listed', async () => {
    const id = stage.newProperty();
    const page = await stage.open({ claims: { properties: [id] } });
    await follows(page, id);
    for (const count of [1, 2]) await stage.report(id, count);
    await showsOpen(page, id, 2);
    await stage.redis.restart({ keepData: false });
    // RESYNC, and with it the state that is left: none.
    await showsOpen(page, id, 0, 30_000);
    await vi.waitFor(() => stage.report(id, 7), { timeout: 20_000, interval: 300 });
    await showsOpen(page, id, 7, 30_000);
    await goTo(page, 'Activity');
    await page.getByText('this list is not complete').waitFor();
    const texts = page.locator(`.activity[data-key^="property:${id}|"] .activity-text`);
    expect(await texts.allInnerTexts()).toEqual(['7 open', '2 open', '1 open']);
  });
});
