/** The dashboard in a real browser, against a real cluster: what a landlord sees and does. */
import { mintOperatorToken, mintToken } from '@belfry/testkit';
import { expect, it, vi } from 'vitest';
import {
  addProperty,
  comesUp,
  connected,
  follows,
  goTo,
  row,
  showsOpen,
  standStill,
  status,
  toast,
} from './dashboard-sights.js';
import { onStage, tokenFor } from './dashboard-stage.js';

onStage('the dashboard', { gateways: 2 }, (stage) => {
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
    await goTo(page, 'Settings');
    await page.getByRole('button', { name: 'Sign out' }).click();
    await page.getByLabel('Access token').waitFor();
    await page.context().close();
  });

  it('takes a token out of the address', async () => {
    const page = await stage.open();
    expect(page.url()).toBe(`${stage.url}#/`);
  });

  it('asks for another token where one in the address is none, or has ended', async () => {
    const page = await (await stage.browser.newContext()).newPage();
    for (const [token, sentence] of [
      ['bad.bad.bad', 'This is no token'],
      [tokenFor({}, -10), 'This token has expired'],
    ] as const) {
      await page.goto('about:blank');
      await page.goto(`${stage.url}#token=${token}`);
      await page.getByText(sentence).waitFor();
      expect(page.url()).toBe(`${stage.url}#/`);
      expect(await page.getByText('session has ended').count()).toBe(0);
    }
    await page.context().close();
  });

  it('says why the gateway refused a token, however it came, and shows nothing as if it were known', async () => {
    const page = await (await stage.browser.newContext()).newPage();
    const forged = mintToken({ user_id: 'landlord-1' }, { secret: 'the secret of an earlier start of the cluster' });
    await page.goto(`${stage.url}#token=${forged}`);
    await page.getByText('The gateway refused this token: the token’s signature does not fit').waitFor();
    expect(await page.getByText('session has ended').count()).toBe(0);
    expect(await page.getByText('how things were').count()).toBe(0);
    await page.getByLabel('Access token').fill(mintOperatorToken());
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('The gateway refused this token: the token is meant for operators').waitFor();
    await page.getByLabel('Access token').fill(tokenFor());
    await page.getByRole('button', { name: 'Sign in' }).click();
    await connected(page);
    await page.context().close();
  });

  it('says why a session has ended, and from when the numbers are', async () => {
    const page = await stage.open({ claims: { jti: 'lost-laptop' } });
    await connected(page);
    const answer = await stage.gateways[0].operate('/ws/revoke', { body: { jti: 'lost-laptop' } });
    expect(answer.status).toBe(200);
    await page.getByText('Your session has ended').waitFor();
    const banner = page.locator('.banner-bad');
    await banner.getByText('revoked').waitFor();
    await banner.getByText(/how things were at \d\d:\d\d\./).waitFor();
    await page.locator('.renewal').getByText('revoked').waitFor();
  });

  it('shows a change within moments: badge, numbers, feed, charts, time', async () => {
    const id = stage.newProperty();
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
    await page.locator('[data-chart="time"][data-added="5"]').waitFor();
    // The cluster counts at most once a second: until then it may say how many there were.
    const kpi = page.locator('.kpi', { hasText: 'Open violations' });
    await kpi.locator('dd').getByText('5', { exact: true }).waitFor();
  });

  it('lists the last ten things that happened, newest first, critical ones marked', async () => {
    const id = stage.newProperty();
    const page = await stage.open({ claims: { properties: [id] } });
    await follows(page, id);
    for (let count = 1; count <= 13; count += 1) {
      const severity = count === 12 ? 'critical' : 'medium';
      await stage.change({ property_id: id, violation_type: 'HPD', count, severity, message: `Number ${count}.` });
    }
    const feed = page.locator('.activity');
    await feed.filter({ hasText: 'Number 13.' }).waitFor();
    const texts = await feed.locator('.activity-text').allInnerTexts();
    expect(texts).toEqual([13, 12, 11, 10, 9, 8, 7, 6, 5, 4].map((count) => `Number ${count}.`));
    const marked = page.locator('.activity-critical');
    expect(await marked.locator('.activity-text').allInnerTexts()).toEqual(['Number 12.']);
    expect(await marked.locator('.tag-critical').allInnerTexts()).toEqual(['Critical']);
    await page.getByRole('link', { name: 'All activity' }).click();
    await vi.waitFor(async () => expect(await feed.count()).toBe(13), { timeout: 15_000 });
  });

  it('draws each event into its charts as it comes: by severity, by type, over time', async () => {
    const id = stage.newProperty();
    const change = (violation_type: string, count: number, severity: string) =>
      stage.change({ property_id: id, violation_type, count, severity });
    await change('HPD', 5, 'high');
    const page = await stage.open({ claims: { properties: [id] } });
    await showsOpen(page, id, 5);
    const charts = () =>
      page.evaluate(() => {
        const numbers = (selector: string, name: (element: HTMLElement) => string | undefined) =>
          Object.fromEntries(
            [...document.querySelectorAll<HTMLElement>(selector)].map((element) => [
              name(element),
              Number(element.textContent),
            ]),
          );
        const time = document.querySelector<HTMLElement>('[data-chart="time"]');
        const drawn = [...document.querySelectorAll('[data-chart="time"] rect')].filter(
          (bar) => Number(bar.getAttribute('height')) > 0,
        );
        return {
          severity: numbers('[data-chart="severity"] [data-severity]', ({ dataset }) => dataset.severity),
          type: numbers(
            '[data-chart="type"] .bar-value',
            (cell) => cell.closest('tr')?.querySelector('th')?.textContent ?? '',
          ),
          added: Number(time?.dataset.added),
          resolved: Number(time?.dataset.resolved),
          drawn: new Set(drawn.map((bar) => bar.getAttribute('class'))).size,
        };
      });
    const none = { critical: 0, high: 0, medium: 0, low: 0, info: 0 };
    const show = (expected: Awaited<ReturnType<typeof charts>>) =>
      vi.waitFor(async () => expect(await charts()).toEqual(expected), { timeout: 15_000 });
    await show({ severity: { ...none, high: 5 }, type: { HPD: 5 }, added: 5, resolved: 0, drawn: 1 });
    await change('DOB', 3, 'critical');
    await show({
      severity: { ...none, high: 5, critical: 3 },
      type: { HPD: 5, DOB: 3 },
      added: 8,
      resolved: 0,
      drawn: 1,
    });
    await change('HPD', 1, 'low');
    await show({
      severity: { ...none, low: 1, critical: 3 },
      type: { HPD: 1, DOB: 3 },
      added: 8,
      resolved: 4,
      drawn: 2,
    });
  });

  it('adds and removes properties by BBL, and says what is wrong with others', async () => {
    const id = stage.newProperty();
    const page = await stage.open({ claims: { properties: [id] }, prepare: (page) => page.clock.install() });
    for (const [text, wrong] of [
      ['12345', 'ten digits'],
      ['9012650001', 'borough'],
      ['1000000001', 'block'],
      ['Main Street', 'borough, block and lot'],
    ] as const) {
      await addProperty(page, text);
      await page.locator('#add-property-error', { hasText: wrong }).waitFor();
    }
    await addProperty(page, `1-1-${Number(id.slice(-4))}`);
    await page.getByText('in the portfolio already').waitFor();
    await addProperty(page, 'Brooklyn 1234 5');
    await row(page, '3012340005').locator('.error').waitFor();
    await row(page, '3012340005').getByRole('button', { name: 'Remove' }).click();
    await row(page, '3012340005').waitFor({ state: 'detached' });
    await standStill(page);
    await row(page, id).getByRole('button', { name: 'Remove' }).click();
    const undo = toast(page, 'Manhattan').getByRole('button', { name: 'Undo' });
    await comesUp(page, undo);
    await undo.click();
    await comesUp(page, row(page, id));
  });
});
