/** The dashboard's many small promises: pause, debug, alert rules, operations, keyboard. */
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { connected, hasChromium, row, type Stage, showsOpen, startStage } from './dashboard-stage.js';

const TIMEOUT_MS = 60_000;
const ADMIN = { user_id: 'manager', role: 'ADMIN' };

describe.skipIf(!hasChromium)('the dashboard', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage();
  }, 40_000);
  afterEach(() => stage.clear());
  afterAll(() => stage?.stop());

  let lots = 0;
  const newProperty = (): string => String(3_000_010_000 + ++lots);
  const report = (id: string, count: number, severity = 'medium', more = {}) =>
    stage.change({ property_id: id, violation_type: 'HPD', count, severity, ...more });
  const toasts = (page: Page) => page.locator('[data-sonner-toast]');

  it('stands still while live updates are off, counts what waits, and catches up', async () => {
    const id = newProperty();
    const page = await stage.open({ claims: { properties: [id] } });
    await report(id, 1);
    await showsOpen(page, id, 1);
    await page.getByRole('switch', { name: 'Live updates' }).click();
    await report(id, 2);
    await report(id, 3);
    await page.getByText('2 waiting').waitFor();
    expect(await row(page, id).locator('[data-open]').getAttribute('data-open')).toBe('1');
    await page.getByRole('switch', { name: 'Live updates' }).click();
    await showsOpen(page, id, 3);
    expect(await page.locator(`.activity[data-key^="property:${id}|"]`).count()).toBe(3);
  });

  it('shows every frame in debug mode, in the console and in a panel that can be copied, without the token', async () => {
    const id = newProperty();
    const context = await stage.browser.newContext();
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const page = await stage.open({ claims: { properties: [id] }, path: '/settings', context });
    const lines: string[] = [];
    page.on('console', (message) => lines.push(message.text()));
    await page.getByLabel('Debug mode').check();
    await connected(page);
    await report(id, 1);
    await page.locator('.frame-in', { hasText: 'VIOLATION_UPDATE' }).waitFor();
    expect(lines.some((line) => line.includes('VIOLATION_UPDATE'))).toBe(true);
    await page.getByRole('button', { name: 'Copy' }).click();
    await page.getByText('Copied').waitFor();
    const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
    expect(copied.frames.length).toBeGreaterThan(0);
    expect(JSON.stringify(copied)).not.toMatch(/eyJ[\w-]+\.eyJ/);
    expect(await page.locator('[data-fact="monitored"]').textContent()).toBe('1');
    expect(await page.getByLabel('Gateway').inputValue()).toBe(stage.gateways[0]?.wsUrl);
  });

  it('keeps alert rules in the cluster, and says why one is refused', async () => {
    const page = await stage.open({ claims: { user_id: 'landlord-9' }, path: '/alerts' });
    await page.getByRole('button', { name: 'Add rule' }).click();
    await page.getByText('names email, which is not set').waitFor();
    await page.getByLabel('E-mail', { exact: true }).first().fill('landlord@belfry.example');
    await page.getByRole('button', { name: 'Save contacts' }).click();
    await page.getByText('Alerts saved').waitFor();
    await page.getByRole('button', { name: 'Add rule' }).click();
    await page.locator('[data-rule]', { hasText: 'All types, high and above' }).waitFor();
    await page.reload();
    await page.locator('[data-rule]').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No rules yet').waitFor();
  });

  it('opens a property by its address, with its history, in the portfolio or not', async () => {
    const id = newProperty();
    await report(id, 1);
    await stage.change({
      property_id: id,
      violation_type: 'ECB',
      violations: [{ number: '35-1', severity: 'critical', description: 'Stop work' }],
    });
    const page = await stage.open({ claims: ADMIN, path: `/property/${id}` });
    await page.locator('[data-type="HPD"]', { hasText: '1' }).waitFor();
    await page.getByText('Stop work').first().waitFor();
    await vi.waitFor(async () => expect(await page.locator('.activity').count()).toBe(2));
    await report(id, 4);
    await page.locator('[data-type="HPD"]', { hasText: '4' }).waitFor();
    await page.getByRole('button', { name: 'Add to portfolio' }).click();
    await page.getByRole('link', { name: 'Portfolio', exact: true }).first().click();
    await showsOpen(page, id, 5);
  });

  it('has the cluster keep the portfolio and count its figures, the same in every browser', async () => {
    const [first, second] = [newProperty(), newProperty()];
    await report(first, 3, 'critical');
    await report(second, 4, 'low');
    const claims = { properties: [first] };
    const kpi = (page: Page, name: string, value: number) =>
      page.locator('.kpi[data-from="cluster"]', { hasText: name }).getByText(`${value}`, { exact: true }).waitFor();
    const page = await stage.open({ claims });
    await kpi(page, 'Open violations', 3);
    await kpi(page, 'Critical', 3);
    await report(first, 5, 'critical');
    await kpi(page, 'Open violations', 5);
    const wider = { properties: [first, second] };
    const other = await stage.open({ claims: wider });
    await kpi(other, 'Properties', 1);
    await other.getByLabel('Add a property by BBL').fill(second);
    await other.getByLabel('Add a property by BBL').press('Enter');
    await kpi(other, 'Open violations', 9);
    await kpi(other, 'Properties', 2);
    const again = await stage.open({ claims: wider });
    await row(again, second).waitFor();
    await kpi(again, 'Open violations', 9);
    await row(again, second).getByRole('button', { name: 'Remove' }).click();
    await kpi(again, 'Open violations', 5);
  });

  it('names the age of the city’s data', async () => {
    const page = await stage.open();
    const hourAgo = Date.now() / 1000 - 3_600;
    await stage.event({
      channel: 'state:sources',
      type: 'source_state',
      key: 'hpd',
      source: 'hpd',
      data_as_of: hourAgo,
    });
    await page.getByText('City data as of 1 hr. ago').waitFor();
  });

  describe('for operators', () => {
    it('shows the cluster, finds a connection and ends it, lists rooms', { timeout: TIMEOUT_MS }, async () => {
      const id = newProperty();
      const other = await stage.open({ claims: { user_id: 'landlord-4', properties: [id] } });
      await connected(other);
      const page = await stage.open({ claims: ADMIN, operator: true, path: '/operations/cluster' });
      await page.locator('[data-node="gateway-2"]', { hasText: 'serving' }).waitFor();
      await page.getByRole('link', { name: 'Rooms' }).click();
      await page.locator('[data-room="role:everyone"]').waitFor();
      await page.getByRole('link', { name: 'Connections' }).click();
      await page.getByLabel('User').fill('landlord-4');
      const line = page.locator('[data-connection]', { hasText: 'landlord-4' });
      await line.waitFor();
      await line.getByRole('button', { name: 'Details' }).click();
      await page.getByText(`property:${id}`).waitFor();
      const disconnect = line.getByRole('button', { name: /Disconnect/ });
      await disconnect.click();
      await disconnect.click();
      await other.locator('.status-bad', { hasText: 'Disconnected' }).waitFor();
      await other.getByRole('button', { name: 'Connect' }).click();
      await connected(other);
    });

    it('sends to everybody and to one, shows live events and boards', async () => {
      const other = await stage.open({ claims: { user_id: 'landlord-5' } });
      await connected(other);
      const page = await stage.open({ claims: ADMIN, operator: true, path: '/operations/send' });
      await page.getByLabel('Message').fill('Maintenance at nine');
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByText('Sent to role:everyone').waitFor();
      await toasts(other).filter({ hasText: 'Maintenance at nine' }).waitFor();
      await page.getByLabel('To', { exact: true }).selectOption('user');
      await page.getByLabel('User').fill('landlord-5');
      await page.getByLabel('Message').fill('Call us');
      await page.getByRole('button', { name: 'Send' }).click();
      await page.getByText('Sent to user:landlord-5, 1 connections').waitFor();
      await other.locator('.activity', { hasText: 'Call us' }).waitFor();
      await page.getByRole('link', { name: 'Live events' }).click();
      await page.getByRole('heading', { name: 'Live events' }).waitFor();
      const id = newProperty();
      await report(id, 3);
      await page.locator('[data-event]', { hasText: id }).waitFor();
      await stage.event({ channel: 'state:tasks', type: 'task', key: 'roof', status: 'open' });
      await page.getByRole('link', { name: 'Boards' }).click();
      await page.getByLabel('Board', { exact: true }).fill('tasks');
      await page.getByRole('button', { name: 'Show' }).click();
      await page.locator('[data-key="roof"]', { hasText: 'open' }).waitFor();
    });

    it('is not offered to landlords', async () => {
      const page = await stage.open({ path: '/operations/cluster' });
      await connected(page);
      expect(await page.getByRole('link', { name: 'Operations' }).count()).toBe(0);
      expect(await page.getByRole('heading', { name: 'Operations' }).count()).toBe(0);
    });
  });

  it('can be worked by keyboard alone', async () => {
    const id = newProperty();
    const page = await stage.open({ claims: { properties: [id] } });
    await connected(page);
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe('Skip to content');
    await page.keyboard.press('Enter');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe('main');
    await page.keyboard.press('Tab');
    await page.keyboard.type('3-1234-5');
    await page.keyboard.press('Enter');
    await row(page, '3012340005').waitFor();
  });
});
