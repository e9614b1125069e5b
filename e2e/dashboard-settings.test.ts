/** What people set for themselves: where to connect, how it looks, how much it moves. */
import type { TestGateway } from '@belfry/testkit';
import { expect, it, vi } from 'vitest';
import { addProperty, connected, follows, goTo, row, showsOpen, toast } from './dashboard-sights.js';
import { onStage } from './dashboard-stage.js';

/** What counts as none: CSS has no animation without a duration. */
const NO_MOTION_MS = 1;

onStage('the settings', { gateways: 2 }, (stage) => {
  it('connect to another gateway, for this visit and the next, and say which address is none', async () => {
    const [first, second] = stage.gateways as [TestGateway, TestGateway];
    const id = stage.newProperty();
    await stage.report(id, 1);
    const page = await stage.open({
      claims: { user_id: 'landlord-1', properties: [id] },
      gateway: first.wsUrl,
    });
    await showsOpen(page, id, 1);
    const node = async (): Promise<readonly string[]> => {
      const answer = await first.operate('/ws/connections?user=landlord-1');
      return ((await answer.json()) as { connections: { node: string }[] }).connections.map(({ node }) => node);
    };
    expect(await node()).toEqual(['gateway-1']);
    await goTo(page, 'Settings');
    const field = page.getByLabel('Gateway');
    const connect = page.getByRole('button', { name: 'Connect', exact: true });
    for (const [address, wrong] of [
      ['not an address', 'Write an address such as'],
      ['ftp://belfry.example/ws', 'begins with ws:// or wss://'],
    ] as const) {
      await field.fill(address);
      await connect.click();
      await page.locator('#gateway-error', { hasText: wrong }).waitFor();
    }
    expect(await node()).toEqual(['gateway-1']);
    await field.fill(second.wsUrl);
    await connect.click();
    await vi.waitFor(async () => expect(await node()).toEqual(['gateway-2']), { timeout: 15_000 });
    await connected(page);
    await goTo(page, 'Portfolio');
    await stage.report(id, 2);
    await showsOpen(page, id, 2);
    await page.reload();
    await showsOpen(page, id, 2);
    // The connection from before the reload may be seen to end a moment later.
    await vi.waitFor(async () => expect(await node()).toEqual(['gateway-2']), { timeout: 15_000 });
  });

  it('count the properties that are monitored', async () => {
    const ids = [stage.newProperty(), stage.newProperty()];
    const page = await stage.open({ claims: { properties: '*' } });
    const monitored = page.locator('[data-fact="monitored"]');
    const counts = async (count: number): Promise<void> => {
      await goTo(page, 'Settings');
      expect(await monitored.textContent()).toBe(`${count}`);
      await goTo(page, 'Portfolio');
    };
    await counts(0);
    for (const id of ids) {
      await addProperty(page, id);
      await follows(page, id);
    }
    await counts(2);
    await row(page, ids[0] ?? '')
      .getByRole('button', { name: /^Remove/ })
      .click();
    await counts(1);
  });

  it('make it dark or light, whatever the system says, or as the system is; a reload keeps it', async () => {
    const page = await stage.open({ path: '/settings' });
    /** 0 is black, 255 white. */
    const ground = () =>
      page.evaluate(() => {
        const channels = getComputedStyle(document.documentElement).backgroundColor.match(/[\d.]+/g) ?? [];
        return Math.round(channels.slice(0, 3).reduce((sum, channel) => sum + Number(channel), 0) / 3);
      });
    const isDark = async () => expect(await ground()).toBeLessThan(60);
    const isLight = async () => expect(await ground()).toBeGreaterThan(200);
    const theme = page.getByLabel('Theme');
    await page.emulateMedia({ colorScheme: 'light' });
    await isLight();
    await theme.selectOption('dark');
    await isDark();
    await page.reload();
    await theme.waitFor();
    expect(await theme.inputValue()).toBe('dark');
    await isDark();
    await page.emulateMedia({ colorScheme: 'dark' });
    await theme.selectOption('light');
    await isLight();
    await theme.selectOption('system');
    await isDark();
    await page.emulateMedia({ colorScheme: 'light' });
    await isLight();
  });

  it('of the system are respected: nothing moves where less motion is asked for', async () => {
    const id = stage.newProperty();
    const page = await stage.open({
      claims: { properties: [id] },
      // Every animation and transition that starts, with how long it takes.
      prepare: (page) =>
        page.addInitScript(() => {
          const moved: { name: string; ms: number }[] = [];
          Object.assign(globalThis, { moved });
          const note = ({ target, pseudoElement }: Event & { readonly pseudoElement?: string }): void => {
            if (!(target instanceof Element) || pseudoElement) return;
            for (const animation of target.getAnimations()) {
              const name = animation instanceof CSSAnimation ? animation.animationName : 'transition';
              moved.push({ name, ms: Number(animation.effect?.getComputedTiming().duration) });
            }
          };
          for (const type of ['animationstart', 'transitionrun']) document.addEventListener(type, note, true);
        }),
    });
    const moved = () =>
      page.evaluate(() => (globalThis as unknown as { moved: { name: string; ms: number }[] }).moved.splice(0));
    const change = async (count: number): Promise<void> => {
      await stage.report(id, count);
      await showsOpen(page, id, count);
      await toast(page, `${count} open`).waitFor();
      await page.locator('[data-chart="severity"] [data-severity="medium"]', { hasText: `${count}` }).waitFor();
    };
    await page.emulateMedia({ reducedMotion: 'no-preference' });
    await follows(page, id);
    await change(1);
    await vi.waitFor(async () => expect(await moved()).toContainEqual({ name: 'flash', ms: 900 }), { timeout: 10_000 });

    // What began to move while it was allowed to is not held against what follows.
    await page.evaluate(() => Promise.allSettled(document.getAnimations().map(({ finished }) => finished)));
    await page.emulateMedia({ reducedMotion: 'reduce' });
    await moved();
    await change(2);
    const flash = row(page, id).locator('.flash');
    const seconds = Number.parseFloat(await flash.evaluate((badge) => getComputedStyle(badge).animationDuration));
    expect(seconds * 1_000).toBeLessThan(NO_MOTION_MS);
    expect((await moved()).filter(({ ms }) => ms >= NO_MOTION_MS)).toEqual([]);
  });
});
