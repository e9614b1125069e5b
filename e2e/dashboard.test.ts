/** The dashboard in a real browser, against a real cluster: what a landlord sees and does. */
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { connected, hasChromium, row, type Stage, showsOpen, startStage, status, tokenFor } from './dashboard-stage.js';

describe.skipIf(!hasChromium)('the dashboard', () => {
  let stage: Stage;
  beforeAll(async () => {
    stage = await startStage();
  }, 40_000);
  afterEach(() => stage.clear());
  afterAll(() => stage?.stop());

  let lots = 0;
  const newProperty = (): string => String(1_000_010_000 + ++lots);

  it('signs in by a pasted token, refuses what is none, and says where it stands', async () => {
    const page = await (await stage.browser.newContext()).newPage();
    await page.goto(stage.url);
    await page.getByLabel('Access token').fill('not a token');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('This is no token').waitFor();
    await page.getByLabel('Access token').fill(tokenFor({}, -10));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('This token has expired').waitFor();
    await page.getByLabel('Access token').fill(tokenFor());
    await page.getByRole('button', { name: 'Sign in' }).click();
    await connected(page);
    expect(await status(page).textContent()).toBe('Connected');
    // A reload keeps the tab signed in; signing out does not.
    await page.reload();
    await connected(page);
    await page.getByRole('link', { name: 'Settings' }).click();
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Access token').waitFor();
    await page.context().close();
  });

  it('takes a token out of the address', async () => {
    const page = await stage.open();
    expect(page.url()).toBe(`${stage.url}#/`);
  });

  it('shows a change within moments: badge, numbers, feed, charts, time', async () => {
    const id = newProperty();
    await stage.change({ property_id: id, violation_type: 'HPD', count: 2, severity: 'medium' });
    const page = await stage.open({ claims: { properties: [id] } });
    await showsOpen(page, id, 2);
    await stage.change({ property_id: id, violation_type: 'HPD', count: 5, severity: 'high', message: 'Three more' });
    await showsOpen(page, id, 5);
    expect(await row(page, id).locator('.badge').allInnerTexts()).toEqual(['HPD 5']);
    expect(await row(page, id).locator('.flash').count()).toBe(1);
    expect(await row(page, id).locator('time').textContent()).toBe('just now');
    await page.locator('.activity', { hasText: 'Three more' }).waitFor();
    await page.locator('[data-chart="severity"] [data-severity="high"]', { hasText: '5' }).waitFor();
    await page.locator('[data-chart="type"] tr', { hasText: 'HPD' }).waitFor();
    expect(Number(await page.locator('[data-chart="time"]').getAttribute('data-added'))).toBeGreaterThanOrEqual(3);
    const kpi = page.locator('.kpi', { hasText: 'Open violations' });
    expect(await kpi.locator('dd').textContent()).toBe('5');
  });

  it('adds and removes properties by BBL, and says what is wrong with others', async () => {
    const id = newProperty();
    const page = await stage.open({ claims: { properties: [id] } });
    const field = page.getByLabel('Add a property by BBL');
    for (const [text, wrong] of [
      ['12345', 'ten digits'],
      ['9012650001', 'borough'],
      ['1000000001', 'block'],
      ['Main Street', 'borough, block and lot'],
    ] as const) {
      await field.fill(text);
      await field.press('Enter');
      await page.locator('#add-property-error', { hasText: wrong }).waitFor();
    }
    await field.fill(`1-1-${Number(id.slice(-4))}`);
    await field.press('Enter');
    await page.getByText('in the portfolio already').waitFor();
    await field.fill('Brooklyn 1234 5');
    await field.press('Enter');
    await row(page, '3012340005').locator('.error').waitFor();
    await row(page, '3012340005').getByRole('button', { name: 'Remove' }).click();
    await row(page, '3012340005').waitFor({ state: 'detached' });
    await row(page, id).getByRole('button', { name: 'Remove' }).click();
    await page.locator('[data-sonner-toast]', { hasText: 'Manhattan' }).getByRole('button', { name: 'Undo' }).click();
    await row(page, id).waitFor();
  });
});
