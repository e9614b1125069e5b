/** The dashboard's many small promises: pause, debug, alert rules, deep links, figures, keyboard. */
import type { Page } from 'playwright-core';
import { expect, it, vi } from 'vitest';
import {
  addProperty,
  connected,
  follows,
  goTo,
  hasTold,
  openAt,
  recordToasts,
  row,
  showsOpen,
  status,
} from './dashboard-sights.js';
import { ADMIN, onStage } from './dashboard-stage.js';

onStage('the dashboard', { gateways: 2 }, (stage) => {
  it('stands still while live updates are off, counts what waits, and catches up', async () => {
    const id = stage.newProperty();
    const page = await stage.open({ claims: { properties: [id] } });
    await stage.report(id, 1);
    await showsOpen(page, id, 1);
    await page.getByRole('switch', { name: 'Live updates' }).click();
    await stage.report(id, 2);
    await stage.report(id, 3);
    await page.getByText('2 waiting').waitFor();
    expect(await openAt(page, id)).toBe(1);
    await page.getByRole('switch', { name: 'Live updates' }).click();
    await showsOpen(page, id, 3);
    expect(await page.locator(`.activity[data-key^="property:${id}|"]`).count()).toBe(3);
  });

  it('shows every frame in debug mode, in the console and in a panel that can be copied, without the token', async () => {
    const id = stage.newProperty();
    const context = await stage.browser.newContext();
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const user_id = 'landlord-11';
    const page = await stage.open({ claims: { user_id, properties: [id] }, path: '/settings', context });
    const lines: string[] = [];
    page.on('console', (message) => lines.push(message.text()));
    await page.getByLabel('Debug mode').check();
    await connected(page);
    // The token is among the first frames of a connection: of another one, which debug mode sees from its beginning on.
    await stage.gateways[0].operate('/ws/disconnect-user', { body: { user_id } });
    await status(page).getByRole('button', { name: 'Connect' }).click();
    await connected(page);
    await page.locator('.frame-out', { hasText: 'AUTHENTICATE' }).waitFor();
    await stage.report(id, 1);
    await page.locator('.frame-in', { hasText: 'VIOLATION_UPDATE' }).first().waitFor();
    await vi.waitFor(() => expect(lines).toContainEqual(expect.stringContaining('VIOLATION_UPDATE')), {
      timeout: 15_000,
    });
    await page.getByRole('button', { name: 'Copy' }).click();
    await page.getByText('Copied').waitFor();
    const copied = JSON.parse(await page.evaluate(() => navigator.clipboard.readText()));
    expect(copied.frames.length).toBeGreaterThan(0);
    expect(JSON.stringify(copied)).toContain('AUTHENTICATE');
    expect(JSON.stringify([copied, lines])).not.toMatch(/eyJ[\w-]+\.eyJ/);
    expect(await page.locator('[data-fact="monitored"]').textContent()).toBe('1');
    expect(await page.getByLabel('Gateway').inputValue()).toBe(stage.gateways[0].wsUrl);
  });

  it('keeps alert rules in the cluster, and says why one is refused', async () => {
    const page = await stage.open({ claims: { user_id: 'landlord-9' }, path: '/alerts', prepare: recordToasts });
    await page.getByRole('button', { name: 'Add rule' }).click();
    await page.getByText('names email, which is not set').waitFor();
    await page.getByLabel('E-mail', { exact: true }).first().fill('landlord@belfry.example');
    await page.getByRole('button', { name: 'Save contacts' }).click();
    await hasTold(page, 'Alerts saved');
    await page.getByRole('button', { name: 'Add rule' }).click();
    await page.locator('[data-rule]', { hasText: 'All types, high and above' }).waitFor();
    await page.getByText('Nothing is sent by e-mail at the moment').waitFor();
    await page.reload();
    await page.locator('[data-rule]').getByRole('button', { name: 'Delete' }).click();
    await page.getByText('No rules yet').waitFor();
  });

  it('opens a property by its address, with its history, in the portfolio or not', async () => {
    const id = stage.newProperty();
    await stage.report(id, 1);
    await stage.change({
      property_id: id,
      violation_type: 'ECB',
      violations: [
        { number: '35-1', severity: 'critical', description: 'Stop work' },
        { number: '35-2', description: 'No permit' },
      ],
    });
    const page = await stage.open({ claims: ADMIN, path: `/property/${id}` });
    await page.locator('[data-type="HPD"]', { hasText: '1' }).waitFor();
    await page.getByText('Stop work').first().waitFor();
    const severityOf = (violation: string) =>
      page.locator('tr', { hasText: violation }).locator('[data-label="Severity"]').textContent();
    expect([await severityOf('Stop work'), await severityOf('No permit')]).toEqual(['Critical', '–']);
    await vi.waitFor(async () => expect(await page.locator('.activity').count()).toBe(2), {
      timeout: 15_000,
    });
    await stage.report(id, 4);
    await page.locator('[data-type="HPD"]', { hasText: '4' }).waitFor();
    await page.getByRole('button', { name: 'Add to portfolio' }).click();
    await goTo(page, 'Portfolio');
    await showsOpen(page, id, 6);
  });

  it('shows what services publish of a property under it, as what it is', async () => {
    const id = stage.newProperty();
    const page = await stage.open({ claims: { properties: [id] } });
    await follows(page, id);
    await stage.event({ channel: `property:${id}`, type: 'document', key: 'lease', status: 'signed' });
    await goTo(page, 'Activity');
    const entry = page.locator(`.activity[data-key^="property:${id}|"]`);
    await entry.waitFor();
    expect(await entry.locator('.activity-body').textContent()).toMatch(/^Manhattan 1–\d+Document$/);
    await entry.getByRole('link').click();
    await page.locator('.activity', { hasText: 'Document' }).waitFor();
    expect(await page.getByText('Nothing has been reported').count()).toBe(0);
  });

  it('has the cluster keep the portfolio and count its figures, the same in every browser', async () => {
    const [first, second] = [stage.newProperty(), stage.newProperty()];
    await stage.report(first, 3, 'critical');
    await stage.report(second, 4, 'low');
    const claims = { properties: [first] };
    const kpi = (page: Page, name: string, value: number) =>
      page.locator('.kpi[data-from="cluster"]', { hasText: name }).getByText(`${value}`, { exact: true }).waitFor();
    const page = await stage.open({ claims });
    await kpi(page, 'Open violations', 3);
    await kpi(page, 'Critical', 3);
    await stage.report(first, 5, 'critical');
    await kpi(page, 'Open violations', 5);
    const wider = { properties: [first, second] };
    const other = await stage.open({ claims: wider });
    await kpi(other, 'Properties', 1);
    await addProperty(other, second);
    await kpi(other, 'Open violations', 9);
    await kpi(other, 'Properties', 2);
    const again = await stage.open({ claims: wider });
    await row(again, second).waitFor();
    await kpi(again, 'Open violations', 9);
    await row(again, second).getByRole('button', { name: 'Remove' }).click();
    await kpi(again, 'Open violations', 5);
  });

  it('tells a browser that is opened later of all that was new and resolved in 24 hours, once', async () => {
    const id = stage.newProperty();
    // More than the page reads of a property's history.
    for (let count = 1; count <= 15; count++) await stage.report(id, count);
    await stage.report(id, 3);
    const tells = async (page: Page, added: number, resolved: number) => {
      const figure = `[data-chart="time"][data-from="cluster"][data-added="${added}"][data-resolved="${resolved}"]`;
      await page.locator(figure).waitFor();
      for (const [name, value] of [
        ['New in 24 hours', added],
        ['Resolved in 24 hours', resolved],
      ] as const) {
        const kpi = page.locator('.kpi[data-from="cluster"]', { hasText: name });
        expect(await kpi.locator('dd').textContent()).toBe(`${value}`);
      }
    };
    const page = await stage.open({ claims: { properties: [id] } });
    await tells(page, 15, 12);
    await stage.report(id, 2);
    await tells(page, 15, 13);
    await page.reload();
    await tells(page, 15, 13);
  });

  it('claims nothing of properties of which it has not heard yet', async () => {
    const id = stage.newProperty();
    const page = await stage.open({ claims: { properties: [id] }, gateway: 'ws://127.0.0.1:1/ws' });
    await row(page, id).waitFor();
    const figures = await page
      .locator('.kpi', { hasText: /Open violations|Critical/ })
      .locator('dd')
      .allTextContents();
    expect(figures).toEqual(['–', '–']);
    expect(await page.locator('[data-chart="severity"] b').allTextContents()).toEqual(['–', '–', '–', '–', '–']);
    expect(await page.getByText('No open violations').count()).toBe(0);
  });

  it('marks a property by the worst that is open, and says when a filter leaves no event', async () => {
    const id = stage.newProperty();
    const violations = [
      { number: 'a-1', severity: 'critical' },
      { number: 'a-2', severity: 'low' },
    ];
    await stage.change({ property_id: id, violation_type: 'HPD', violations: violations.slice(0, 1) });
    await stage.change({ property_id: id, violation_type: 'HPD', violations });
    const page = await stage.open({ claims: { properties: [id] } });
    await showsOpen(page, id, 2);
    await row(page, id).locator('.badge-critical', { hasText: 'HPD' }).waitFor();
    await goTo(page, 'Activity');
    await page.locator(`.activity[data-key^="property:${id}|"]`).first().waitFor();
    await page.getByLabel('While away').check();
    await page.getByText('None of the events is of this kind').waitFor();
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

  it('can be worked by keyboard alone', async () => {
    const id = stage.newProperty();
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

  it('leaves the keyboard where it is when a list changes, and leads it to the next item when one goes', async () => {
    const ids = [stage.newProperty(), stage.newProperty(), stage.newProperty()] as const;
    const [first, second, third] = ids;
    const page = await stage.open({ claims: { properties: ids } });
    for (const id of ids) await follows(page, id);
    const focused = () =>
      page.evaluate(() => {
        const row = document.activeElement?.closest('[data-property]');
        return row ? row.getAttribute('data-property') : document.activeElement?.id;
      });
    const order = () =>
      page.locator('[data-property]').evaluateAll((rows) => rows.map((row) => row.getAttribute('data-property')));
    const becomes = (expected: readonly string[]) =>
      vi.waitFor(async () => expect(await order()).toEqual(expected), { timeout: 15_000 });
    await becomes(ids);
    await row(page, third)
      .getByRole('button', { name: /^Remove/ })
      .focus();
    await stage.report(third, 2, 'critical');
    await becomes([third, first, second]);
    expect(await focused()).toBe(third);
    for (const [next, left] of [
      [first, [first, second]],
      [second, [second]],
      ['main', []],
    ] as const) {
      await page.keyboard.press('Enter');
      await becomes(left);
      expect(await focused()).toBe(next);
    }
  });
});
