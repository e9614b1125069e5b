/** The status indicator: what it says while a connection is missing is so, and its button does what it is called. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { type Cable, layCable } from './cable.js';
import {
  addProperty,
  connected,
  follows,
  goTo,
  listsWhole,
  openAt,
  resize,
  row,
  showsOpen,
  standStill,
  statesFromNowOn,
  status,
  toast,
} from './dashboard-sights.js';
import { onStage } from './dashboard-stage.js';

onStage('the status indicator', { gateways: 1, settings: { SUBSCRIBE_WAIT_SECONDS: '1' } }, (stage) => {
  let cable: Cable;
  beforeAll(async () => {
    cable = await layCable(stage.gateways[0].port);
  });
  afterAll(() => cable?.close());

  /** What tells the three states apart: the shape, the word, and the hue of the ground, in degrees. */
  const look = (page: Page) =>
    status(page).evaluate((chip) => {
      const channels = getComputedStyle(chip).backgroundColor.match(/[\d.]+/g) ?? [];
      const [red = 0, green = 0, blue = 0] = channels.slice(0, 3).map(Number);
      const hue = Math.atan2(Math.sqrt(3) * (green - blue), 2 * red - green - blue) * (180 / Math.PI);
      return {
        shape: chip.querySelector('path')?.getAttribute('d'),
        word: chip.querySelector('[role="status"]')?.textContent,
        hue: Math.round((hue + 360) % 360),
      };
    });

  it('is green, then yellow with the attempt and a countdown that "Try now" cuts short, and red when told to stop', async () => {
    const id = stage.newProperty();
    await stage.report(id, 1);
    const page = await stage.open({
      claims: { user_id: 'landlord-1', properties: [id] },
      gateway: `ws://127.0.0.1:${cable.port}/ws`,
      prepare: async (page) => {
        // Time that stands still unless told otherwise: nothing but the button can end the wait.
        await page.clock.install();
        // The longest wait that the backoff allows.
        await page.addInitScript(() => {
          Math.random = () => 0.99;
        });
      },
    });
    await showsOpen(page, id, 1);
    await connected(page);
    const green = await look(page);
    expect(green.word).toBe('Connected');
    const now = () => page.evaluate(() => Date.now());
    await standStill(page);

    cable.cut();
    const countdown = page.locator('.status .countdown');
    const tryNow = page.getByRole('button', { name: 'Try now' });
    for (const attempt of [1, 2, 3]) {
      await status(page).getByText(`Reconnecting · attempt ${attempt}`, { exact: true }).waitFor();
      await countdown.waitFor();
      if (attempt < 3) await tryNow.click();
    }
    const left = Number(/^in (\d+) s$/.exec((await countdown.textContent()) ?? '')?.[1]);
    expect(left).toBeGreaterThanOrEqual(3);
    await page.clock.runFor(1_000);
    await countdown.getByText(`in ${left - 1} s`, { exact: true }).waitFor();
    const yellow = await look(page);
    // This is the longest that the indicator can become.
    for (const width of [360, 320]) {
      await resize(page, { width, height: 740 });
      expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(width);
    }

    cable.mend();
    expect(await status(page).getAttribute('data-status')).toBe('reconnecting');
    const before = await now();
    await tryNow.click();
    await connected(page);
    expect(await now()).toBe(before);
    expect(await countdown.count()).toBe(0);
    await page.clock.resume();
    await stage.report(id, 2);
    await showsOpen(page, id, 2);

    const answer = await stage.gateways[0].operate('/ws/disconnect-user', { body: { user_id: 'landlord-1' } });
    expect(answer.status).toBe(200);
    await page.locator('.status[data-status="disconnected"]').waitFor();
    const red = await look(page);
    expect(red.word).toBe('Disconnected');
    expect(new Set([green, yellow, red].map(({ shape }) => shape)).size).toBe(3);
    expect(green.hue).toSatisfy((hue: number) => hue > 100 && hue < 170);
    expect(yellow.hue).toSatisfy((hue: number) => hue > 30 && hue < 65);
    expect(red.hue).toSatisfy((hue: number) => hue > 340 || hue < 20);
    // Nobody but the user brings it back.
    await page.getByRole('button', { name: 'Connect', exact: true }).click();
    await connected(page);
  });

  it('is followed by one message that counts all that was missed, however often the connection broke meanwhile', async () => {
    const id = stage.newProperty();
    const page = await stage.open({
      claims: { properties: [id] },
      gateway: `ws://127.0.0.1:${cable.port}/ws`,
      prepare: (page) => page.clock.install(),
    });
    await follows(page, id);
    await standStill(page);
    for (const [count, text] of [
      [1, '1 change while you were away'],
      [2, '2 changes while you were away'],
    ] as const) {
      cable.cut();
      const tryNow = page.getByRole('button', { name: 'Try now' });
      await tryNow.waitFor();
      await stage.report(id, count);
      await stage.inLog(id, count);
      cable.mend();
      await tryNow.click();
      await connected(page);
      await vi.waitFor(
        async () => {
          // A picture's worth of the five seconds that a message stays.
          await page.clock.runFor(100);
          expect(await toast(page, text).count()).toBe(1);
        },
        { timeout: 20_000, interval: 500 },
      );
    }
  });

  it('stays connected while Redis answers nothing, the page can be used, and all that happened is shown once it answers', async () => {
    const [id, other, late] = [stage.newProperty(), stage.newProperty(), stage.newProperty()];
    await stage.report(id, 1);
    await stage.report(other, 7);
    await stage.report(late, 4);
    let unavailable = false;
    const page = await stage.open({
      claims: { properties: '*' },
      prepare: async (page) =>
        page.on('websocket', (socket) =>
          socket.on('framereceived', ({ payload }) => {
            unavailable ||= String(payload).includes('"unavailable"');
          }),
        ),
    });
    for (const each of [id, other]) await addProperty(page, each);
    await showsOpen(page, id, 1);
    await showsOpen(page, other, 7);
    await connected(page);
    const states = await statesFromNowOn(page);

    stage.redis.freeze();
    let published: Promise<unknown>;
    try {
      published = stage.report(id, 2).catch(() => undefined);
      // What needs Redis waits, and says so; what does not goes on.
      await addProperty(page, late);
      await row(page, late).getByText('Loading').waitFor();
      await vi.waitFor(() => expect(unavailable).toBe(true), { timeout: 30_000, interval: 100 });
      expect(await row(page, late).locator('.error').count()).toBe(0);
      expect(await openAt(page, id)).toBe(1);
      await page.getByLabel('Find a property').fill(other);
      await row(page, id).waitFor({ state: 'detached' });
      await row(page, other).waitFor();
      await page.getByLabel('Find a property').fill('');
      await row(page, id).waitFor();
      await goTo(page, 'Settings');
      expect(await page.locator('[data-fact="monitored"]').textContent()).toBe('3');
      expect(await status(page).textContent()).toBe('Connected');
      await goTo(page, 'Portfolio');
    } finally {
      stage.redis.thaw();
    }
    await published;
    // The publisher may have given up on it, and said so: then it is sent again. Else it changes nothing.
    await vi.waitFor(() => stage.report(id, 2), { timeout: 30_000, interval: 300 });
    await stage.report(id, 3);
    await showsOpen(page, id, 3, 30_000);
    await showsOpen(page, late, 4, 30_000);
    await listsWhole(page, id, 3);
    expect(await states.jsonValue()).toEqual([]);
  });
});
