/** What a landlord sees of alerts that could not be delivered: her own, with why, and nobody else's. */
import { expect, it, vi } from 'vitest';
import { goTo } from './dashboard-sights.js';
import { onStage, tokenFor } from './dashboard-stage.js';

onStage('alerts that could not be delivered', { gateways: 1 }, (stage) => {
  it('are shown with their rule, their property and why, to the user of the rule alone', async () => {
    const id = stage.newProperty();
    const [owner, other] = ['owner', 'neighbour'].map((user_id) => ({ user_id, role: 'LANDLORD', properties: [id] }));
    const headers = { authorization: `Bearer ${tokenFor(owner)}`, 'content-type': 'application/json' };
    // This cluster has no mail server, and sends nothing to addresses such as this one.
    const webhook = { url: 'http://127.0.0.1/hook?key=in-the-url', secret: 'a-secret-for-webhooks' };
    const rules = [{ id: 'all', properties: '*', via: ['email', 'webhook'] }];
    const body = JSON.stringify({ email: 'landlord@belfry.example', webhook, rules });
    const gateway = stage.gateways[0]?.url;
    expect((await fetch(`${gateway}/v1/preferences`, { method: 'PUT', headers, body })).status).toBe(200);
    await vi.waitFor(async () => expect(await stage.redis.connect().exists('belfry:{alerts}:checkpoint')).toBe(1));
    await stage.report(id, 1);
    await stage.report(id, 2, 'high', 'No heat in apartment 4B');
    await vi.waitFor(
      async () => {
        const answer = await fetch(`${gateway}/v1/undelivered`, { headers });
        const { undelivered } = (await answer.json()) as { undelivered: { events: { message: string }[] }[] };
        const heat = undelivered.filter(({ events }) => events[0]?.message === 'No heat in apartment 4B');
        expect(heat).toHaveLength(2);
      },
      { timeout: 30_000 },
    );

    const page = await stage.open({ claims: owner ?? {} });
    await goTo(page, 'Alerts');
    const item = (reason: string) =>
      page.locator(`[data-undelivered="${reason}"]`, { hasText: 'No heat in apartment 4B' });
    await item('not_set_up').getByText('Not sent by e-mail: Sending by e-mail was not set up.').waitFor();
    const byHook = item('not_allowed');
    await byHook.getByText('Not sent by webhook: Its address is a private one, where nothing is sent.').waitFor();
    await byHook
      .getByText('Rule: All types, info and above, at all properties: by e-mail and webhook, at once')
      .waitFor();
    expect(await byHook.textContent()).not.toContain('in-the-url');
    await byHook.getByRole('link').click();
    await page.waitForURL((url) => url.hash === `#/property/${id}`);

    const neighbour = await stage.open({ claims: other ?? {} });
    await goTo(neighbour, 'Alerts');
    await neighbour.getByRole('heading', { name: 'New rule' }).waitFor();
    await neighbour.waitForLoadState('networkidle');
    expect(await neighbour.locator('[data-undelivered]').count()).toBe(0);
    expect(await neighbour.getByText('Not delivered').count()).toBe(0);
  });
});
