/** The SDK, as it is published, against real gateways: what it follows, as whom, and at what cost. */
import { followBoard } from '@belfry/client/board';
import { mintToken, within } from '@belfry/testkit';
import { describe, expect, it, vi } from 'vitest';
import { count, hasty, LONG, live, newProperty, numbered, sdkStage, watch } from './sdk-stage.ts';

const stage = sdkStage();

describe.each([['websocket'], ['sse']] as const)('over %s, a gateway', (transport) => {
  it('that refuses a channel costs its subscribers only', async () => {
    const gateway = await stage.gateway();
    const mine = newProperty();
    const getToken = () => mintToken({ user_id: 'landlord-7', role: 'LANDLORD', properties: [mine] });
    const client = stage.client({ url: gateway.wsUrl, transport, getToken });
    const [allowed, forbidden] = [watch(), watch()];
    client.subscribe(mine, allowed.handlers);
    client.subscribe('global', forbidden.handlers);
    await live(allowed);
    await vi.waitFor(() => expect(forbidden.log).toEqual(['error forbidden']), LONG);
    await stage.log.append(`property:${mine}`, numbered(1, 2));
    await allowed.got(2);
    expect(allowed.numbers).toEqual([1, 2]);
    expect(client.state.status).toBe('connected');
  });

  it('hears nothing of a client whose getToken has no token, and the client says so', async () => {
    const gateway = await stage.gateway();
    const getToken = () => process.env.BELFRY_TOKEN_THAT_IS_NOT_SET as string;
    const client = stage.client({ url: gateway.wsUrl, transport, getToken });
    const statuses: string[] = [];
    client.on('status', ({ current }) => statuses.push(current));
    const failed = new Promise((resolve) => client.on('failed', resolve));
    client.subscribe(newProperty(), watch().handlers);
    expect(await within(failed, 'end')).toMatchObject({ code: 'token', message: expect.stringContaining('no token') });
    expect(statuses).toEqual(['connecting', 'disconnected']);
    const stats = (await (await gateway.operate('/ws/stats')).json()) as { active_connections: number };
    expect(stats.active_connections).toBe(0);
  });

  it('that has the user’s channel for another client brings all that was missed on it', async () => {
    const gateway = await stage.gateway();
    const [staying, leaving] = [watch(), watch()];
    stage.client({ url: gateway.wsUrl, transport }).subscribe('user:manager', staying.handlers);
    const client = stage.client({ url: gateway.wsUrl, transport });
    client.subscribe('user:manager', leaving.handlers);
    await Promise.all([live(staying), live(leaving)]);
    await stage.log.append('user:manager', numbered(1, 2));
    await leaving.got(2);
    client.close();
    await stage.log.append('user:manager', numbered(3, 4));
    await staying.got(4);
    client.connect();
    await leaving.got(4);
    expect(leaving.numbers).toEqual(count(1, 4));
    expect(leaving.log).not.toContainEqual(expect.stringContaining('gap'));
  });

  it('gets a new token on the open connection before the old one ends', async () => {
    const gateway = await stage.gateway();
    const property = newProperty();
    const ends: number[] = [];
    const getToken = () => {
      const exp = Math.floor(Date.now() / 1000) + 5;
      ends.push(exp * 1000);
      return mintToken({ user_id: 'manager', role: 'ADMIN', exp });
    };
    // As early as it renews: a quarter of the time before the end.
    const client = stage.client({ url: gateway.wsUrl, transport, getToken, random: () => 1 });
    const seen = watch();
    client.subscribe(property, seen.handlers);
    await live(seen);
    const statuses: string[] = [];
    client.on('status', ({ current }) => statuses.push(current));
    const [firstEnds = 0] = ends;
    await vi.waitFor(() => expect(Date.now()).toBeGreaterThan(firstEnds + 100), LONG);
    expect(ends.length).toBeGreaterThanOrEqual(2);
    await stage.log.append(`property:${property}`, numbered(1, 2));
    await seen.got(2);
    expect(statuses.every((status) => status === 'connected')).toBe(true);
  });
});

describe('the client', () => {
  it('follows 500 properties in few frames, well within the rate limit', async () => {
    const gateway = await stage.gateway();
    const client = stage.client({ url: gateway.wsUrl });
    const frames: string[] = [];
    client.on('frame', ({ direction, text }) => direction === 'out' && frames.push(text));
    const properties = Array.from({ length: 500 }, newProperty);
    const seen = properties.map((property) => {
      const one = watch({ onState: () => undefined });
      client.subscribe(property, one.handlers);
      return one;
    });
    await Promise.all(seen.map(live));
    // Fifty channels a frame, for joining and for snapshots.
    expect(frames.length).toBeLessThan(23);
    await Promise.all(properties.map((property, index) => stage.log.append(`property:${property}`, [{ n: index }])));
    await Promise.all(seen.map((one, index) => one.got(index)));
    expect(seen.flatMap(({ log: lines }) => lines).filter((line) => line !== 'live')).toEqual([]);
    const status = await client.getStatus();
    expect(status.subscriptions.filter((name) => name.startsWith('property:'))).toHaveLength(500);
  });

  it('keeps a board true over many changes and a killed gateway, and reports no gap', async () => {
    const [a, b] = await Promise.all([stage.gateway(), stage.gateway()]);
    const client = stage.client({ url: [a.wsUrl, b.wsUrl], ...hasty });
    const gaps: unknown[] = [];
    client.on('gap', (gap) => gaps.push(gap));
    let shown: Readonly<Record<string, unknown>> = {};
    followBoard(client, 'state:tasks', {
      onChange: (items) => {
        shown = Object.fromEntries([...items].map(([key, { document }]) => [key, document?.n]));
      },
    });
    await vi.waitFor(() => expect(client.state.status).toBe('connected'), LONG);
    const set = (key: string, n: number) =>
      stage.log.append('state:tasks', [{ type: 'STATE_UPDATE', key, document: { n } }], `event:${key}`);
    for (let n = 1; n <= 50; n++) await set(`task-${n % 3}`, n);
    await vi.waitFor(() => expect(shown).toEqual({ 'task-0': 48, 'task-1': 49, 'task-2': 50 }), LONG);
    await a.kill();
    for (let n = 51; n <= 60; n++) await set(`task-${n % 3}`, n);
    await vi.waitFor(() => expect(shown).toEqual({ 'task-0': 60, 'task-1': 58, 'task-2': 59 }), LONG);
    expect(gaps).toEqual([]);
  });

  it('hears what is meant for its user, over a reconnect too', async () => {
    const [a, b] = await Promise.all([stage.gateway(), stage.gateway()]);
    const client = stage.client({ url: [a.wsUrl, b.wsUrl], ...hasty });
    client.connect();
    await vi.waitFor(() => expect(client.user).toBeDefined(), LONG);
    expect(client.user).toEqual({ id: 'manager', role: 'ADMIN', channels: expect.arrayContaining(['user:manager']) });
    const seen = watch();
    client.subscribe('user:manager', seen.handlers);
    await live(seen);
    await stage.log.append('user:manager', numbered(1, 2));
    await seen.got(2);
    await a.kill();
    await stage.log.append('user:manager', numbered(3, 4));
    await seen.got(4);
    expect(seen.numbers).toEqual(count(1, 4));
  });
});
