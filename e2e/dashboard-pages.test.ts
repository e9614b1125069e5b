/** Every page at the sizes and in the themes that people have: reachable for all, and no wider than the screen. */
import AxeBuilder from '@axe-core/playwright';
import type { Page } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import { comesUp, connected, resize, screenshot, showsOpen, standStill, toast } from './dashboard-sights.js';
import { ADMIN, onStage, tokenFor } from './dashboard-stage.js';

const [FIRST, SECOND, THIRD, FOURTH, FIFTH] = [
  '1012650001',
  '1008350041',
  '3012340005',
  '4005670012',
  '2024410017',
] as const;
const PORTFOLIO = [FIRST, SECOND, THIRD, FOURTH, FIFTH];
/** Each page with what shows that it is there whole. */
const PAGES: readonly (readonly [path: string, name: string, whole: string])[] = [
  ['', 'portfolio', '[data-chart="time"][data-from="cluster"]'],
  [`property/${FIRST}`, 'property', '[data-type="HPD"]'],
  ['activity', 'activity', '.activity-critical'],
  ['alerts', 'alerts', '[data-rule]'],
  ['settings', 'settings', '[data-fact="monitored"]'],
  ['operations/cluster', 'operations-cluster', '[data-node="gateway-2"]'],
  ['operations/connections', 'operations-connections', '[data-connection]'],
  ['operations/rooms', 'operations-rooms', '[data-room]'],
  ['operations/send', 'operations-send', '#message'],
  ['operations/events', 'operations-events', '[data-event]'],
  ['operations/board', 'operations-board', '[data-key="hpd"]'],
  ['nonsense', 'missing', 'a[href="#/"]'],
];

const violation = (number: string, severity: string, date: string, description: string) => ({
  number,
  severity,
  date,
  description,
});

/** A portfolio such as people have: something grave, much that is not, and one property without any. */
const CHANGES = [
  {
    property_id: FIRST,
    violation_type: 'HPD',
    violations: [
      violation('16401127', 'critical', '2026-11-19', 'No heat or hot water in apartment 4B'),
      violation('16398240', 'high', '2026-11-12', 'Window guard missing on the third storey'),
      violation('16377519', 'medium', '2026-10-30', 'Peeling paint in the public hall'),
    ],
    message: 'No heat or hot water in apartment 4B',
  },
  { property_id: FIRST, violation_type: 'DOB', count: 1, severity: 'medium', message: 'Boiler filing overdue' },
  { property_id: SECOND, violation_type: 'ECB', count: 2, severity: 'high', message: 'Work without a permit' },
  { property_id: THIRD, violation_type: 'HPD', count: 7, severity: 'medium', message: '7 open violations' },
  { property_id: THIRD, violation_type: 'HPD', count: 5, severity: 'medium', message: '2 violations resolved' },
  { property_id: FIFTH, violation_type: '311', count: 3, severity: 'low', message: 'Three complaints about noise' },
  { property_id: FOURTH, violation_type: 'DOB', count: 0, severity: 'info', message: 'Nothing is open' },
];

const PREFERENCES = {
  email: 'landlord@belfry.example',
  rules: [
    { id: 'grave', properties: '*', min_severity: 'critical', via: ['email'], digest: 'none' },
    { id: 'daily', properties: [FIRST], types: ['HPD', 'DOB'], min_severity: 'low', via: ['email'], digest: 'daily' },
  ],
};

const TOKEN_MS = 3_600_000;
/** A screen of 1280 pixels at four times the size, as the accessibility guidelines have it. */
const NARROWEST = 320;

onStage('each page of the dashboard', { gateways: 2 }, (stage) => {
  beforeAll(async () => {
    for (const change of CHANGES) await stage.change(change);
    const event = { type: 'source_state', channel: 'state:sources', state: 'current' };
    for (const [index, source] of ['hpd', 'dob', 'ecb', '311'].entries()) {
      await stage.event({ ...event, key: source, source, data_as_of: Date.now() / 1_000 - 3_600 * (3 + index) });
    }
    const response = await fetch(`${stage.gateways[0].url}/v1/preferences`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${tokenFor(ADMIN)}`, 'content-type': 'application/json' },
      body: JSON.stringify(PREFERENCES),
    });
    expect(response.status).toBe(200);
  }, 40_000);

  /** Another theme is the same page in other colours: of it only these are judged. */
  async function findingsOf(page: Page, name: string, onlyColours: boolean): Promise<string[]> {
    const builder = new AxeBuilder({ page });
    const { violations } = await (onlyColours ? builder.withRules(['color-contrast']) : builder).analyze();
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .map(({ id, nodes }) => `${name}: ${id} ${nodes[0]?.html}`);
  }

  async function judge(page: Page, name: string, width: number): Promise<string[]> {
    const found: string[] = [];
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme });
      await screenshot(page, `${name}-${width}-${colorScheme}`);
      found.push(...(await findingsOf(page, `${name}, ${colorScheme}`, colorScheme === 'dark')));
    }
    const given = page.viewportSize() ?? { width, height: 0 };
    for (const screen of [given, { ...given, width: NARROWEST }]) {
      await resize(page, screen);
      const { empty, wide } = await page.evaluate(() => {
        const { clientHeight, scrollHeight, scrollTop, scrollWidth } = document.documentElement;
        const end = (document.getElementById('root')?.getBoundingClientRect().bottom ?? 0) + scrollTop;
        return { wide: scrollWidth, empty: Math.floor(scrollHeight - Math.max(clientHeight, end)) };
      });
      if (wide > screen.width) found.push(`${name}: ${wide} px wide on ${screen.width}`);
      // Heights are rounded.
      if (empty > 1) found.push(`${name}: ${empty} px of nothing below on ${screen.width}`);
    }
    await resize(page, given);
    return found;
  }

  it.each([
    [1280, 800],
    [360, 740],
  ])(
    'has no serious accessibility findings, light or dark, and fits into %i pixels',
    {
      timeout: 240_000,
    },
    async (width, height) => {
      const context = { viewport: { width, height }, reducedMotion: 'reduce' } as const;
      const found: string[] = [];
      const signIn = await (await stage.browser.newContext(context)).newPage();
      await signIn.goto(stage.url);
      await signIn.getByLabel('Access token').waitFor();
      found.push(...(await judge(signIn, 'sign-in', width)));
      await signIn.context().close();
      const page = await stage.open({
        claims: { ...ADMIN, properties: PORTFOLIO },
        operator: true,
        context,
      });
      await showsOpen(page, FIRST, 4);
      for (const [path, name, whole] of PAGES) {
        await page.evaluate((path) => location.assign(`#/${path}`), path);
        await page.locator(`main[data-page="${path}"]`).waitFor();
        await page.locator(`main ${whole}`).first().waitFor();
        found.push(...(await judge(page, name, width)));
      }
      expect(found).toEqual([]);
    },
  );

  it.each([
    ['a landlord', {}, 'nonsense'],
    ['a landlord', {}, 'operations'],
    ['a landlord', {}, 'property'],
    ['a landlord', {}, 'property/no%20property'],
    ['a landlord', {}, '%E0%A4%A'],
    ['an administrator', ADMIN, 'operations/nonsense'],
  ])('says to %s %o that there is none at #/%s, and leads to the first', async (_, claims, path) => {
    const page = await stage.open({ claims });
    await page.evaluate((path) => location.assign(`#/${path}`), path);
    await page.getByRole('heading', { name: 'There is no such page' }).waitFor({ timeout: 5_000 });
    await page.getByRole('main').getByRole('link', { name: 'portfolio' }).click();
    await page.getByRole('heading', { name: 'Portfolio', exact: true }).first().waitFor({ timeout: 5_000 });
  });

  it.each([
    [1280, 800],
    [360, 740],
  ])(
    'has none either while it asks for a token, says what happened and shows its frames, at %i pixels',
    async (width, height) => {
      const ends = Date.now() + TOKEN_MS;
      const page = await stage.open({
        claims: { ...ADMIN, properties: PORTFOLIO },
        expiresInSeconds: TOKEN_MS / 1_000,
        path: '/settings',
        context: { viewport: { width, height }, reducedMotion: 'reduce' },
        prepare: (page) => page.clock.install(),
      });
      await page.getByLabel('Debug mode').check();
      await page.getByText('Properties monitored').waitFor();
      await connected(page);
      const change = { property_id: SECOND, violation_type: 'DOB' };
      // Another count than at the other size, or nothing would have changed.
      await stage.change({ ...change, count: width, severity: 'critical', message: 'Facade unsafe' });
      await toast(page, 'Facade unsafe').waitFor();
      await standStill(page);
      await stage.change({ ...change, count: width + 1, severity: 'low', message: 'Inspection filed' });
      await comesUp(page, toast(page, 'Inspection filed'));
      // Where the pointer is, messages stay.
      await toast(page, 'Inspection filed').hover();
      await page.clock.resume();
      // The event's own frame, or that of a state which has it.
      await page.locator('.frame-in', { hasText: 'Inspection filed' }).first().waitFor();
      // Half a minute before the end everybody has been asked for a new one.
      await page.clock.fastForward(ends - 29_000 - (await page.evaluate(() => Date.now())));
      await page.getByText('Your session ends soon').waitFor();
      const found = await judge(page, 'open', width);
      expect(await toast(page, 'Inspection filed').count()).toBe(1);
      await page.clock.fastForward('01:00');
      await page.getByText('Your session has ended').waitFor();
      await page.locator('.banner-bad').waitFor();
      found.push(...(await findingsOf(page, 'ended, dark', false)));
      expect(found).toEqual([]);
    },
  );
});
