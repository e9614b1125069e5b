/** How the dashboard tells of what happens: toasts, sound, and what people may want of both. */
import type { Page } from 'playwright-core';
import { expect, it, vi } from 'vitest';
import {
  CRITICAL,
  comesUp,
  connected,
  critical,
  follows,
  goTo,
  hasTold,
  recordToasts,
  standStill,
  toast,
  toastsOf,
} from './dashboard-sights.js';
import { onStage } from './dashboard-stage.js';

const TOAST_MS = 5_000;
/** Until a toast whose time is over has faded out, with room for the steps in which the tests let time pass. */
const FADING_MS = 1_500;
const STEP_MS = 250;

interface Tone {
  readonly hertz: number;
  readonly seconds: number;
}

function recordTones(): void {
  const tones: Tone[] = [];
  Object.assign(globalThis, { tones });
  const { start, stop } = OscillatorNode.prototype;
  let at = 0;
  OscillatorNode.prototype.start = function (when = 0) {
    at = when;
    start.call(this, when);
  };
  OscillatorNode.prototype.stop = function (when = 0) {
    tones.push({ hertz: this.frequency.value, seconds: when - at });
    stop.call(this, when);
  };
  const { resume } = AudioContext.prototype;
  AudioContext.prototype.resume = async function () {
    await resume.call(this);
    Object.assign(globalThis, { audible: this.state === 'running' });
  };
}

const tonesOf = (page: Page) => page.evaluate(() => (globalThis as unknown as { tones: Tone[] }).tones);

/** The browser has let the page make a sound: a moment after it has been touched. */
const mayBeHeard = (page: Page) =>
  page.evaluate(() => (globalThis as unknown as { audible?: boolean }).audible === true);

/** The texts of critical messages of which a corner or the middle is under something else, or off the screen. */
const coveredOf = (page: Page) =>
  page.evaluate(
    (selector) =>
      [...document.querySelectorAll(selector)]
        .filter((message) => {
          const { bottom, left, right, top } = message.getBoundingClientRect();
          const points = [left + 12, (left + right) / 2, right - 12].flatMap((x) =>
            [top + 6, (top + bottom) / 2, bottom - 6].map((y) => document.elementFromPoint(x, y)),
          );
          return !points.every((hit) => hit && message.contains(hit));
        })
        .map(({ textContent }) => textContent),
    CRITICAL,
  );

onStage('the dashboard', { gateways: 1 }, (stage) => {
  it('shows a toast at the top right for five seconds, and a critical one in red until it is dismissed', async () => {
    const [first, second] = [stage.newProperty(), stage.newProperty()];
    const page = await stage.open({
      claims: { properties: [first, second] },
      context: { viewport: { width: 1280, height: 800 } },
      prepare: async (page) => {
        await page.clock.install();
        await recordToasts(page);
      },
    });
    await follows(page, first);
    await follows(page, second);
    await stage.report(second, 1, 'critical', 'No heat');
    const grave = critical(page, 'No heat');
    await grave.waitFor();
    await standStill(page);
    await stage.report(first, 1, 'low', 'A small thing');
    const small = toast(page, 'A small thing');
    await comesUp(page, small);
    // It slides in: what counts is where it comes to rest.
    for (const each of [small, grave]) {
      await vi.waitFor(
        async () => {
          const { width = 0, x = 0, y = 800 } = (await each.boundingBox()) ?? {};
          expect(1280 - (x + width)).toSatisfy((right: number) => right >= 0 && right < 40);
          expect(y).toSatisfy((top: number) => top >= 0 && top < 250);
        },
        { timeout: 15_000 },
      );
    }
    const colours = await grave.evaluate((element) =>
      [
        getComputedStyle(element).borderTopColor,
        getComputedStyle(element.querySelector('.critical-title') ?? element).color,
      ].map((colour) => (colour.match(/[\d.]+/g) ?? []).map(Number)),
    );
    for (const [red = 0, green = 0, blue = 0] of colours) expect(red).toBeGreaterThan(2 * Math.max(green, blue));

    for (let passed = 0; passed < TOAST_MS + FADING_MS && (await small.count()) > 0; passed += STEP_MS) {
      await page.clock.runFor(STEP_MS);
    }
    const { at = 0, gone = 0 } = (await toastsOf(page)).find(({ text }) => text.includes('A small thing')) ?? {};
    expect(gone - at).toBeGreaterThanOrEqual(TOAST_MS - STEP_MS);
    expect(gone - at).toBeLessThan(TOAST_MS + FADING_MS);
    await page.clock.runFor('10:00');
    expect(await grave.count()).toBe(1);
    await page.clock.resume();
    expect(await page.locator('[role="alert"]', { hasText: 'Critical' }).textContent()).toContain('No heat');
    await grave.getByRole('button', { name: 'Dismiss' }).click();
    await grave.waitFor({ state: 'detached' });
  });

  it('lets nothing lie over a critical message, and counts those for which there is no room', async () => {
    const [first = '', ...others] = Array.from({ length: 7 }, stage.newProperty);
    const page = await stage.open({
      claims: { properties: [first, ...others] },
      context: { viewport: { width: 1280, height: 800 } },
      prepare: (page) => page.clock.install(),
    });
    for (const id of [first, ...others]) await follows(page, id);
    await stage.report(first, 1, 'critical', 'No heat');
    await critical(page, 'No heat').waitFor();
    // All of them are there from then on.
    await standStill(page);
    for (const [index, id] of others.slice(0, 3).entries()) await stage.report(id, 1, 'low', `Small ${index}`);
    for (const index of [0, 1, 2]) await comesUp(page, toast(page, `Small ${index}`));
    await vi.waitFor(async () => expect(await coveredOf(page)).toEqual([]), { timeout: 10_000 });
    await page.clock.resume();
    for (const [index, id] of others.entries()) {
      await stage.report(id, 2, 'critical', `Grave ${index}`);
      await critical(page, `Grave ${index}`).waitFor();
    }
    await page.getByText('4 more critical').waitFor();
    await vi.waitFor(async () => expect(await coveredOf(page)).toEqual([]), { timeout: 10_000 });
    // The newest first; where one is dismissed the next comes up.
    expect(await critical(page, '').allInnerTexts()).toEqual(
      [5, 4, 3].map((n) => expect.stringContaining(`Grave ${n}`)),
    );
    await critical(page, 'Grave 4').getByRole('button', { name: 'Dismiss' }).click();
    await critical(page, 'Grave 2').waitFor();
    expect(
      await critical(page, 'Grave 3')
        .getByRole('button')
        .evaluate((button) => button.matches(':focus')),
    ).toBe(true);
    await page.getByText('3 more critical').waitFor();
    await page.getByRole('button', { name: 'Dismiss all' }).click();
    await critical(page, '').first().waitFor({ state: 'detached' });
    expect(await page.getByText('more critical').count()).toBe(0);
  });

  it('folds a burst into one toast, but no critical one', async () => {
    const ids = Array.from({ length: 8 }, stage.newProperty);
    const [first = ''] = ids;
    const page = await stage.open({
      claims: { properties: ids },
      prepare: async (page) => {
        await page.clock.install();
        await recordToasts(page);
      },
    });
    for (const id of ids) await follows(page, id);
    // However long the machine takes: it is a burst by the page's clock.
    await standStill(page);
    await stage.change(
      ids.map((id) => ({ property_id: id, violation_type: 'DOB', count: 4, severity: 'medium', message: 'Filed' })),
    );
    await comesUp(page, toast(page, '5 more updates'));
    await page.clock.resume();
    await stage.report(first, 1, 'critical', 'No heat');
    await toast(page, 'No heat').waitFor();
    expect((await toastsOf(page)).filter(({ text }) => text.includes('Filed'))).toHaveLength(3);
  });

  it('shows no toasts where they are not wanted, or only from a severity on, and remembers that', async () => {
    const id = stage.newProperty();
    const page = await stage.open({
      claims: { properties: [id] },
      prepare: (page) => recordToasts(page),
    });
    await follows(page, id);
    await goTo(page, 'Alerts');
    const wanted = page.getByLabel('Show a message for each update');
    const least = page.getByLabel('Messages from this severity on');
    await wanted.uncheck();
    await page.reload();
    await connected(page);
    expect(await wanted.isChecked()).toBe(false);
    await goTo(page, 'Portfolio');
    await follows(page, id);
    await stage.report(id, 1, 'medium', 'Not wanted');
    await page.locator('.activity', { hasText: 'Not wanted' }).waitFor();
    await stage.report(id, 2, 'critical', 'Not wanted either');
    await page.locator('.activity', { hasText: 'Not wanted either' }).waitFor();

    await goTo(page, 'Alerts');
    await wanted.check();
    await least.selectOption('high');
    await goTo(page, 'Portfolio');
    await stage.report(id, 3, 'medium', 'Too small');
    await page.locator('.activity', { hasText: 'Too small' }).waitFor();
    await stage.report(id, 4, 'high', 'Large enough');
    await hasTold(page, 'Large enough');
    // What comes later is shown later: nothing of the earlier ones can still be under way.
    const texts = (await toastsOf(page)).map(({ text }) => text);
    expect(texts).toEqual([expect.stringContaining('Large enough')]);
    await page.reload();
    await goTo(page, 'Alerts');
    expect(await least.inputValue()).toBe('high');
  });

  it('sounds 800 Hz for half a second for critical updates and no others, once it is allowed, and after a reload too', async () => {
    const id = stage.newProperty();
    const page = await stage.open({
      claims: { properties: [id] },
      prepare: (page) => page.addInitScript(recordTones),
    });
    await follows(page, id);
    await stage.report(id, 1, 'critical', 'Before it is allowed');
    await toast(page, 'Before it is allowed').waitFor();
    expect(await tonesOf(page)).toEqual([]);
    await goTo(page, 'Alerts');
    // Whoever allows it hears at once what it is like.
    const wanted = page.getByLabel('Play a sound for critical updates');
    await wanted.click();
    await vi.waitFor(async () => expect(await tonesOf(page)).toHaveLength(1), { timeout: 10_000 });
    await stage.report(id, 2, 'high', 'Not that grave');
    await toast(page, 'Not that grave').waitFor();
    // Seen before the next one: of two within ten seconds only the first sounds.
    expect(await tonesOf(page)).toHaveLength(1);
    await stage.report(id, 3, 'critical', 'Grave');
    await toast(page, 'Grave').first().waitFor();
    await vi.waitFor(async () => expect(await tonesOf(page)).toHaveLength(2), { timeout: 10_000 });
    const heard = await tonesOf(page);

    await page.reload();
    await connected(page);
    // Browsers let no page make a sound before it has been touched.
    await goTo(page, 'Portfolio');
    await follows(page, id);
    await vi.waitFor(async () => expect(await mayBeHeard(page)).toBe(true), { timeout: 10_000 });
    await stage.report(id, 4, 'critical', 'After a reload');
    await toast(page, 'After a reload').waitFor();
    await vi.waitFor(async () => expect(await tonesOf(page)).toHaveLength(1), { timeout: 10_000 });
    for (const { hertz, seconds } of [...heard, ...(await tonesOf(page))]) {
      expect(hertz).toBe(800);
      expect(seconds).toBeCloseTo(0.5, 5);
    }
  });
});
