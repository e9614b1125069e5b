/** The operations pages in a real browser: what HR and ADMIN see of the cluster, and what they do to it. */
import { connect, mintToken, type TestGateway } from '@belfry/testkit';
import type { Page } from 'playwright-core';
import { expect, it, vi } from 'vitest';
import { connected, critical, follows, goTo, hasTold, recordToasts, standStill, status } from './dashboard-sights.js';
import { ADMIN, onStage } from './dashboard-stage.js';

/** Connections that are shown at a time. */
const PAGE = 50;
const HR = { user_id: 'caseworker', role: 'HR' };

onStage('the operations pages', { gateways: 2 }, (stage) => {
  const tab = (page: Page, name: string) =>
    page.getByRole('navigation', { name: 'Operations' }).getByRole('link', { name, exact: true }).click();

  /** Of one user, on both gateways; each may have only so many on one. */
  async function connectMany(user: string, count: number) {
    const clients = await Promise.all(
      Array.from({ length: count }, (_, n) =>
        connect(stage.gateways[n % 2]?.wsUrl ?? '', { token: mintToken({ user_id: user }) }),
      ),
    );
    await Promise.all(clients.map((client) => client.next('AUTHENTICATED')));
    return clients;
  }

  /** What has to be pressed twice has to be so within four seconds: of a clock that can be stopped. */
  const openConnections = () =>
    stage.open({
      claims: ADMIN,
      operator: true,
      path: '/operations/connections',
      prepare: async (page) => {
        await page.clock.install();
        await recordToasts(page);
      },
    });

  it('are all there for HR', async () => {
    const id = stage.newProperty();
    const page = await stage.open({ claims: HR, operator: true });
    await connected(page);
    await goTo(page, 'Operations');
    for (const node of ['gateway-1', 'gateway-2']) {
      await page.locator(`[data-node="${node}"]`, { hasText: 'serving' }).waitFor();
    }
    await tab(page, 'Connections');
    await page.locator('[data-connection]', { hasText: 'caseworker' }).waitFor();
    await tab(page, 'Rooms');
    await page.locator('[data-room="user:caseworker"]').waitFor();
    await tab(page, 'Send');
    await page.getByRole('heading', { name: 'Send a message' }).waitFor();
    await tab(page, 'Live events');
    await page.getByRole('heading', { name: 'Live events' }).waitFor();
    await vi.waitFor(() => followsGlobal('caseworker'), { timeout: 15_000 });
    await stage.report(id, 3);
    await page.locator('[data-event]', { hasText: id }).waitFor();
    await stage.event({ channel: 'state:hr', type: 'task', key: 'roof', status: 'open' });
    await tab(page, 'Boards');
    await page.getByLabel('Board', { exact: true }).fill('hr');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.locator('[data-key="roof"]', { hasText: 'open' }).waitFor();
  });

  it('are not offered to landlords', async () => {
    const page = await stage.open({ path: '/operations/cluster' });
    await connected(page);
    expect(await page.getByRole('link', { name: 'Operations' }).count()).toBe(0);
    expect(await page.getByRole('heading', { name: 'Operations' }).count()).toBe(0);
  });

  it('find a connection, show what it follows, and end it', async () => {
    const id = stage.newProperty();
    const other = await stage.open({ claims: { user_id: 'landlord-4', properties: [id] } });
    await follows(other, id);
    const page = await openConnections();
    await page.getByLabel('User').fill('landlord-4');
    const line = page.locator('[data-connection]', { hasText: 'landlord-4' });
    await line.waitFor();
    await line.getByRole('button', { name: 'Details' }).click();
    await page.getByText(`property:${id}`).waitFor();
    const disconnect = line.getByRole('button', { name: /Disconnect/ });
    await standStill(page);
    await disconnect.click();
    await disconnect.click();
    await other.locator('.status-bad', { hasText: 'Disconnected' }).waitFor();
    await other.getByRole('button', { name: 'Connect' }).click();
    await connected(other);
  });

  it('go on to the next page of the list that was asked for, not of the one before a filter', async () => {
    const clients = await connectMany('landlord-9', PAGE + 1);
    try {
      const page = await openConnections();
      const next = page.getByRole('button', { name: 'Next' });
      await page.getByLabel('User').fill('landlord-9');
      await vi.waitFor(async () => expect(await next.isEnabled()).toBe(true));
      // From here on nothing is answered before it may be.
      let answer = (): void => undefined;
      const mayBeAnswered = new Promise<void>((resolve) => {
        answer = resolve;
      });
      await page.route('**/ws/connections?**', async (route) => {
        await mayBeAnswered;
        await route.continue();
      });
      await page.getByLabel('User').fill('landlord');
      await vi.waitFor(async () => expect(await next.isDisabled()).toBe(true));
      await page.getByLabel('User').fill('landlord-9');
      answer();
      await vi.waitFor(async () => expect(await next.isEnabled()).toBe(true));
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  });

  it('show more connections than fit on a page a page at a time, forwards and back, each of them once', async () => {
    const clients = await connectMany('landlord-8', PAGE + 3);
    try {
      const page = await openConnections();
      await page.getByLabel('User').fill('landlord-8');
      // Before the user was filled in there was a whole page, too.
      const others = page.locator('[data-connection]', { hasNotText: 'landlord-8' });
      const lines = page.locator('[data-connection]', { hasText: 'landlord-8' });
      const shown = (count: number) =>
        vi.waitFor(
          async () => {
            expect(await others.count()).toBe(0);
            const ids = await lines.evaluateAll((rows) => rows.map((row) => row.getAttribute('data-connection')));
            expect(ids).toHaveLength(count);
            return ids;
          },
          { timeout: 15_000 },
        );
      const first = await shown(PAGE);
      expect(await page.getByRole('button', { name: 'Back' }).count()).toBe(0);
      await page.getByRole('button', { name: 'Next' }).click();
      const second = await shown(3);
      expect(new Set([...first, ...second]).size).toBe(PAGE + 3);
      expect(await page.getByRole('button', { name: 'Next' }).count()).toBe(0);
      await page.getByRole('button', { name: 'Back' }).click();
      expect(await shown(PAGE)).toEqual(first);
    } finally {
      await Promise.all(clients.map((client) => client.close()));
    }
  });

  it('disconnect a user everywhere, and nobody else', async () => {
    const claims = { user_id: 'landlord-6' };
    // Of one user, on two gateways; and a neighbour whose name begins with the same letters.
    const [first, second, neighbour] = await Promise.all([
      stage.open({ claims, gateway: stage.gateways[0].wsUrl }),
      stage.open({ claims, gateway: stage.gateways[1]?.wsUrl ?? '' }),
      stage.open({ claims: { user_id: 'landlord-66' } }),
    ]);
    await Promise.all([first, second, neighbour].map(connected));
    const page = await openConnections();
    await page.getByLabel('User').fill('landlord-6');
    await vi.waitFor(async () => expect(await page.locator('[data-connection]').count()).toBe(2), { timeout: 15_000 });
    await standStill(page);
    await page.getByRole('button', { name: 'Disconnect this user' }).click();
    // Once is a slip, twice is meant.
    expect(await status(first).getAttribute('data-status')).toBe('connected');
    await page.getByRole('button', { name: 'Press again to confirm' }).click();
    await page.clock.resume();
    await hasTold(page, '2 connections closed');
    for (const one of [first, second]) await one.locator('.status-bad', { hasText: 'Disconnected' }).waitFor();
    await page.getByText('No connection is like that.').waitFor();
    expect(await status(neighbour).getAttribute('data-status')).toBe('connected');
  });

  it('send to everybody, to one user, and a test message to a channel', async () => {
    const id = stage.newProperty();
    const other = await stage.open({ claims: { user_id: 'landlord-5', properties: [id] }, prepare: recordToasts });
    const third = await stage.open({ claims: { user_id: 'landlord-7' }, prepare: recordToasts });
    await follows(other, id);
    await connected(third);
    const page = await stage.open({ claims: ADMIN, operator: true, path: '/operations/send' });
    const send = async (message: string): Promise<void> => {
      await page.getByLabel('Message').fill(message);
      await page.getByRole('button', { name: 'Send' }).click();
    };
    await vi.waitFor(() => Promise.all(['landlord-5', 'landlord-7'].map((user) => followsEveryone(user))), {
      timeout: 15_000,
    });
    await send('Maintenance at nine');
    await page.getByText('Sent to role:everyone').waitFor();
    for (const one of [other, third]) await hasTold(one, 'Maintenance at nine');
    await page.getByLabel('To', { exact: true }).selectOption('user');
    await page.getByLabel('User').fill('landlord-5');
    await send('Call us');
    await page.getByText('Sent to user:landlord-5, 1 connections').waitFor();
    await other.locator('.activity', { hasText: 'Call us' }).waitFor();
    await page.getByLabel('To', { exact: true }).selectOption('channel');
    await page.getByLabel('Channel, as property:1012650001').fill(`property:${id}`);
    await page.getByLabel('Severity').selectOption('critical');
    await send('This is a test');
    await page.getByText(`Sent to property:${id}`).waitFor();
    await other.locator('.activity-critical', { hasText: 'This is a test' }).waitFor();
    await critical(other, 'This is a test').waitFor();
    expect(await third.getByText(/Call us|This is a test/).count()).toBe(0);
    await page.getByLabel('Channel, as property:1012650001').fill('nonsense');
    await send('To nobody');
    await page.locator('.error[role="status"]').waitFor();
  });

  it('show events as they happen, filtered or held still', async () => {
    const [id, other] = [stage.newProperty(), stage.newProperty()];
    const page = await stage.open({ claims: ADMIN, path: '/operations/events' });
    await page.getByRole('heading', { name: 'Live events' }).waitFor();
    await vi.waitFor(() => followsGlobal('manager'), { timeout: 15_000 });
    await stage.report(id, 1);
    await stage.report(other, 1);
    const events = (property: string) => page.locator('[data-event]', { hasText: property });
    await events(other).waitFor();
    await events(id).waitFor();
    await page.getByLabel('Filter events').fill(id);
    await events(other).waitFor({ state: 'detached' });
    expect(await events(id).count()).toBe(1);
    await page.getByLabel('Filter events').fill('');
    await page.getByRole('button', { name: 'Hold still' }).click();
    const count = Number(await page.getByRole('heading', { name: 'Live events' }).locator('.count').textContent());
    await stage.report(id, 2, 'low', 'Came while held');
    await page.getByRole('heading', { name: `Live events ${count + 1}` }).waitFor();
    expect(await events('Came while held').count()).toBe(0);
    await page.getByRole('button', { name: 'Go on' }).click();
    await events('Came while held').waitFor();
  });

  it('show a board as it is, each key in its place as it changes', async () => {
    const task = (key: string, status: string) => stage.event({ channel: 'state:tasks', type: 'task', key, status });
    await task('roof', 'open');
    await task('boiler', 'open');
    const page = await stage.open({ claims: ADMIN, path: '/operations/board' });
    await page.getByLabel('Board', { exact: true }).fill('not a name');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.getByText('A board’s name has letters').waitFor();
    await page.getByLabel('Board', { exact: true }).fill('tasks');
    await page.getByRole('button', { name: 'Show' }).click();
    await page.locator('[data-key="roof"]', { hasText: 'open' }).waitFor();
    await page.locator('[data-key="boiler"]', { hasText: 'open' }).waitFor();
    await task('roof', 'done');
    await page.locator('[data-key="roof"]', { hasText: 'done' }).waitFor();
    expect(await page.locator('[data-key="boiler"]').textContent()).toContain('open');
    await task('stairs', 'open');
    await page.locator('[data-key="stairs"]').waitFor();
    expect(await page.locator('.board > li').count()).toBe(3);
  });

  async function followed(user: string): Promise<readonly string[]> {
    const [gateway] = stage.gateways as [TestGateway];
    const answer = await gateway.operate(`/ws/connections?user=${user}`);
    const { connections } = (await answer.json()) as { connections: { subscriptions: Record<string, string> }[] };
    return connections.flatMap(({ subscriptions }) => Object.keys(subscriptions));
  }
  const followsGlobal = async (user: string) => expect(await followed(user)).toContain('global');
  const followsEveryone = async (user: string) => expect(await followed(user)).toContain('role:everyone');
});
