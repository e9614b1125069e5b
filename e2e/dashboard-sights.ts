/** What a test looks at and does on the dashboard's pages, by the words and marks that the pages themselves have. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { expect, vi } from 'vitest';
import { ROOT } from '../scripts/setup.mjs';

/** Screenshots for people; nobody compares them. */
const ARTEFACTS = join(ROOT, '.belfry', 'dashboard');

export const status = (page: Page) => page.locator('.status');
export const connected = (page: Page) => page.locator('.status[data-status="connected"]').waitFor();

/**
 * Lets no time pass in the page but what `runFor` says: what goes by itself stays until it has been looked at. The page's
 * clock has to be installed before it loads.
 */
export async function standStill(page: Page): Promise<void> {
  const pause = async () => page.clock.pauseAt((await page.evaluate(() => Date.now())) + 100);
  // On a busy machine it is later than that already: the clock stands all the same, and the second time it is not.
  await pause().catch(pause);
}

/** Lets time pass in small steps until the element is there: hardly any of its own time is gone then. */
export const comesUp = (page: Page, element: Locator) =>
  vi.waitFor(
    async () => {
      await page.clock.runFor(20);
      expect(await element.count()).toBeGreaterThan(0);
    },
    { timeout: 20_000, interval: 100 },
  );

/** Another size of the screen. Resolves when a picture has been drawn of it: lengths may be those of the other before. */
export async function resize(page: Page, size: { readonly width: number; readonly height: number }): Promise<void> {
  await page.setViewportSize(size);
  await page.screenshot();
}

/** The states that the connection goes through from now on; empty while it stays in the one it is in. */
export const statesFromNowOn = (page: Page) =>
  status(page).evaluateHandle((chip) => {
    const states: (string | null)[] = [];
    const note = (): void => void states.push(chip.getAttribute('data-status'));
    new MutationObserver(note).observe(chip, { attributeFilter: ['data-status'] });
    return states;
  });

/** To another page, by the navigation. */
export const goTo = (page: Page, name: string) =>
  page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name, exact: true }).click();

export const row = (page: Page, id: string) => page.locator(`[data-property="${id}"]`);
/** How many open violations the row shows. */
export const openAt = async (page: Page, id: string) =>
  Number(await row(page, id).locator('[data-open]').getAttribute('data-open'));
/** Resolves when the page, at its portfolio, follows the property: what happens from then on is news. */
export const follows = (page: Page, id: string) =>
  page.locator(`[data-property="${id}"][data-phase="ready"]`).waitFor();
/** Resolves when the row shows so many open violations. */
export const showsOpen = (page: Page, id: string, open: number, timeout = 15_000) =>
  row(page, id).locator(`[data-open="${open}"]`).waitFor({ timeout });

export async function addProperty(page: Page, bbl: string): Promise<void> {
  const field = page.getByLabel('Add a property by BBL');
  await field.fill(bbl);
  await field.press('Enter');
}

/** Positions of what the activity page lists for a property, oldest first. */
export const listed = (page: Page, id: string) =>
  page
    .locator(`.activity[data-key^="property:${id}|"]`)
    .evaluateAll((items) => items.map((item) => item.getAttribute('data-key') ?? '').reverse());

/** Waits until the activity page lists so many events of the property: without a hole, none of them twice. */
export async function listsWhole(page: Page, id: string, count: number): Promise<void> {
  await goTo(page, 'Activity');
  const offsets = async () => (await listed(page, id)).map((key) => Number(key.split('-').at(-1)));
  const all = await vi.waitFor(
    async () => {
      const found = await offsets();
      expect(found.length).toBeGreaterThanOrEqual(count);
      return found;
    },
    { timeout: 30_000, interval: 100 },
  );
  expect(all).toEqual(Array.from({ length: count }, (_, index) => (all[0] ?? 0) + index));
}

/** A critical message, which stays until it is dismissed. */
export const CRITICAL = '.critical-message';
export const critical = (page: Page, text: string) => page.locator(CRITICAL, { hasText: text });
/** Any message. */
const TOAST = `[data-sonner-toast], ${CRITICAL}`;
export const toast = (page: Page, text: string) => page.locator(TOAST, { hasText: text });

/** A toast as it was shown, in the page's own time. */
interface ShownToast {
  readonly text: string;
  readonly at: number;
  /** Since when it is not there any more. */
  gone?: number;
}

/** Before the page loads: toasts go by themselves, on a busy machine before a test has looked. */
export const recordToasts = (page: Page): Promise<unknown> =>
  page.addInitScript((selector) => {
    const shown: ShownToast[] = [];
    const latest = new Map<Element, ShownToast>();
    Object.assign(globalThis, { shown });
    new MutationObserver(() => {
      for (const toast of document.querySelectorAll(selector)) {
        const text = toast.textContent ?? '';
        if (latest.get(toast)?.text === text) continue;
        const entry: ShownToast = { text, at: Date.now() };
        latest.set(toast, entry);
        shown.push(entry);
      }
      for (const [toast, entry] of latest) if (!toast.isConnected) entry.gone ??= Date.now();
    }).observe(document, { childList: true, characterData: true, subtree: true });
  }, TOAST);

/** All that were ever shown, a changed one once more. */
export const toastsOf = (page: Page): Promise<readonly ShownToast[]> =>
  page.evaluate(() => (globalThis as unknown as { shown: ShownToast[] }).shown);

/** Resolves when a toast has told this, whether or not it is still there. */
export const hasTold = (page: Page, text: string) =>
  vi.waitFor(
    async () => expect((await toastsOf(page)).map((toast) => toast.text)).toContainEqual(expect.stringContaining(text)),
    { timeout: 15_000 },
  );

export async function screenshot(page: Page, name: string): Promise<void> {
  mkdirSync(ARTEFACTS, { recursive: true });
  await page.screenshot({ path: join(ARTEFACTS, `${name}.png`), fullPage: true, animations: 'disabled' });
}
