/** The dashboard on a telephone: not only does it fit, all of it can be done there, with a finger. */
import type { Locator, Page } from 'playwright-core';
import { expect, it, vi } from 'vitest';
import { comesUp, connected, critical, follows, row, showsOpen, standStill } from './dashboard-sights.js';
import { ADMIN, onStage } from './dashboard-stage.js';

const WIDTH = 360;
const TELEPHONE = { viewport: { width: WIDTH, height: 740 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };
/** As large as the accessibility guidelines ask for. */
const LEAST_TARGET = 24;

onStage('on 360 pixels, the dashboard', { gateways: 2 }, (stage) => {
  /** A finger needs something to hit, within the screen. */
  async function tap(target: Locator): Promise<void> {
    await target.scrollIntoViewIfNeeded();
    const { height = 0, width = 0 } = (await target.boundingBox()) ?? {};
    expect(Math.min(width, height)).toBeGreaterThanOrEqual(LEAST_TARGET);
    await liesWithin(target);
    await target.tap();
  }

  /** Nothing of it is beyond an edge, where nobody can scroll to. */
  async function liesWithin(target: Locator): Promise<void> {
    const { width = 0, x = -1 } = (await target.boundingBox()) ?? {};
    expect(x).toBeGreaterThanOrEqual(0);
    expect(x + width).toBeLessThanOrEqual(WIDTH);
  }

  async function fits(page: Page): Promise<void> {
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(WIDTH);
  }

  async function tapTo(page: Page, name: string, path: string): Promise<void> {
    await tap(page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true }));
    await page.locator(`main[data-page="${path}"]`).waitFor();
    await fits(page);
  }

  it('adds a property, opens it, watches it, holds it still, and removes it', async () => {
    const id = stage.newProperty();
    const page = await stage.open({
      claims: { properties: '*' },
      context: TELEPHONE,
      prepare: (page) => page.clock.install(),
    });
    await connected(page);
    const field = page.getByLabel('Add a property by BBL');
    await tap(field);
    // A tap becomes a click, and a click a focus, when the browser has seen that no second tap follows.
    await page.locator('input:focus').waitFor();
    await page.keyboard.type('nonsense');
    await tap(page.getByRole('button', { name: 'Add', exact: true }));
    await page.locator('#add-property-error').filter({ hasText: 'ten digits' }).waitFor();
    await fits(page);
    await field.fill(id);
    await tap(page.getByRole('button', { name: 'Add', exact: true }));
    await follows(page, id);
    await stage.report(id, 1, 'critical', 'No heat or hot water in all of the apartments');
    await showsOpen(page, id, 1);
    const grave = critical(page, 'No heat');
    await grave.waitFor();
    await liesWithin(grave);
    await fits(page);
    await tap(grave.getByRole('button', { name: 'Dismiss' }));
    await grave.waitFor({ state: 'detached' });

    await tap(row(page, id).getByRole('link'));
    await page.locator('[data-type="HPD"]', { hasText: '1' }).waitFor();
    await page.locator('.activity', { hasText: 'No heat' }).waitFor();
    await fits(page);
    await tap(page.getByRole('switch', { name: 'Live updates' }));
    await page.getByText('0 waiting').waitFor();
    await stage.report(id, 2);
    await page.getByText('1 waiting').waitFor();
    await fits(page);
    await tap(page.getByRole('switch', { name: 'Live updates' }));
    await page.locator('[data-type="HPD"]', { hasText: '2' }).waitFor();

    await tap(page.getByRole('link', { name: 'Belfry, portfolio' }));
    await showsOpen(page, id, 2);
    await standStill(page);
    await tap(row(page, id).getByRole('button', { name: /^Remove/ }));
    const undo = page.getByRole('button', { name: 'Undo' });
    await comesUp(page, undo);
    expect(await row(page, id).count()).toBe(0);
    await tap(undo);
    await page.clock.resume();
    await showsOpen(page, id, 2);
  });

  it('leads to every page, and lets settings and preferences be changed there', async () => {
    const page = await stage.open({ context: TELEPHONE });
    await connected(page);
    await tapTo(page, 'Activity', 'activity');
    await tapTo(page, 'Alerts', 'alerts');
    const wanted = page.getByLabel('Show a message for each update');
    await tap(page.getByText('Show a message for each update'));
    await vi.waitFor(async () => expect(await wanted.isChecked()).toBe(false), { timeout: 15_000 });
    await tapTo(page, 'Settings', 'settings');
    await page.getByLabel('Theme').selectOption('dark');
    expect(await page.locator('html').getAttribute('data-theme')).toBe('dark');
    const gateway = stage.gateways[1]?.wsUrl ?? '';
    await page.getByLabel('Gateway').fill(gateway);
    await tap(page.getByRole('button', { name: 'Connect', exact: true }));
    await page.locator('.facts', { hasText: gateway }).waitFor();
    await connected(page);
    await tap(page.getByText('Debug mode'));
    await page.getByRole('heading', { name: 'Frames' }).waitFor();
    await fits(page);
    await tap(page.getByRole('button', { name: 'Close', exact: true }));
    await page.getByRole('heading', { name: 'Frames' }).waitFor({ state: 'detached' });
    await tapTo(page, 'Portfolio', '');
  });

  it('lets operators work', async () => {
    const other = await stage.open({ claims: { user_id: 'landlord-5' } });
    await connected(other);
    const page = await stage.open({
      claims: ADMIN,
      context: TELEPHONE,
      operator: true,
    });
    await tapTo(page, 'Operations', 'operations');
    await page.locator('[data-node="gateway-2"]', { hasText: 'serving' }).waitFor();
    const tab = (name: string) =>
      tap(page.getByRole('navigation', { name: 'Operations' }).getByRole('link', { name, exact: true }));
    await tab('Connections');
    const line = page.locator('[data-connection]', { hasText: 'landlord-5' });
    await tap(line.getByRole('button', { name: 'Details' }));
    await page.getByText('messages received').waitFor();
    await fits(page);
    await tab('Send');
    await page.getByLabel('To', { exact: true }).selectOption('user');
    await page.getByLabel('User').fill('landlord-5');
    await page.getByLabel('Message').fill('Call us');
    await tap(page.getByRole('button', { name: 'Send', exact: true }));
    await other.locator('.activity', { hasText: 'Call us' }).waitFor();
    await fits(page);
  });
});
