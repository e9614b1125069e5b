/** The SDK, as it is published, against real gateways: what was missed comes after reconnects, reloads and outages. */
import type { Client } from '@belfry/client';
import { describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import {
  count,
  hasty,
  LONG,
  live,
  newProperty,
  numbered,
  recoveries,
  type Seen,
  sdkStage,
  watch,
} from './sdk-stage.ts';

const stage = sdkStage();

describe.each([['websocket'], ['sse']] as const)('over %s, a gateway', (transport) => {
  it('that is killed is replaced by another one: nothing is missed, nothing comes twice', async () => {
    const [a, b, c] = await Promise.all([stage.gateway(), stage.gateway(), stage.gateway()]);
    const property = newProperty();
    const client = stage.client({ url: [a.wsUrl, b.wsUrl, c.wsUrl], transport, ...hasty });
    const seen = watch();
    client.subscribe(property, seen.handlers);
    await live(seen);
    const stop = stage.publishing(`property:${property}`, 1);
    await vi.waitFor(() => expect(seen.numbers.length).toBeGreaterThan(20), LONG);
    await a.kill();
    await recoveries(seen, 1);
    const before = seen.numbers.length;
    await vi.waitFor(() => expect(seen.numbers.length).toBeGreaterThan(before + 20), LONG);
    await b.kill();
    await recoveries(seen, 2);
    const last = await stop();
    await seen.got(last);
    expect(seen.numbers).toEqual(count(1, last));
    expect(seen.log.filter((line) => line.startsWith('gap'))).toEqual([]);
  });

  it('that drains tells when to come back, and the client comes back to another one', async () => {
    const [a, b] = await Promise.all([stage.gateway(), stage.gateway()]);
    const property = newProperty();
    const client = stage.client({ url: [a.wsUrl, b.wsUrl], transport, ...hasty });
    const seen = watch();
    client.subscribe(property, seen.handlers);
    await live(seen);
    await stage.log.append(`property:${property}`, numbered(1, 3));
    await seen.got(3);
    const reasons: unknown[] = [];
    client.on('status', ({ reason }) => reason && reasons.push(reason.code));
    await Promise.all([a.stop(), stage.log.append(`property:${property}`, numbered(4, 6))]);
    await vi.waitFor(() => expect(client.state.status).toBe('connected'), LONG);
    await stage.log.append(`property:${property}`, numbered(7, 9));
    await seen.got(9);
    expect(seen.numbers).toEqual(count(1, 9));
    expect(reasons[0]).toBe(4200);
  });

  it('hands a page that was closed and opened again exactly what it missed, and the present', async () => {
    const gateway = await stage.gateway();
    const property = newProperty();
    const channel = `property:${property}`;
    const items = new Map<string, string>();
    const storage = {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
    };
    await stage.log.append(channel, numbered(1, 5), 'HPD');
    const first = stage.client({ url: gateway.wsUrl, transport, storage });
    const before = watch();
    first.subscribe(property, before.handlers);
    await live(before);
    await stage.log.append(channel, numbered(6, 8), 'HPD');
    await before.got(8);
    first.dispose();

    await stage.log.append(channel, numbered(9, 20), 'HPD');
    await stage.known(gateway, channel, 20);
    const second = stage.client({ url: gateway.wsUrl, transport, storage });
    const states: unknown[] = [];
    const after = watch({ onState: ({ events }) => states.push(events.map(({ n }) => n)) });
    second.subscribe(property, after.handlers);
    await after.got(20);
    expect(before.numbers).toEqual(count(6, 8));
    expect(after.numbers).toEqual(count(9, 20));
    expect(states).toEqual([[20]]);
    expect(after.log).toEqual(['recovered 12', 'live']);
  });

  it('hands over to whoever comes next what neither of two clients on one storage has handled, wherever each stood', async () => {
    const gateway = await stage.gateway();
    const property = newProperty();
    const channel = `property:${property}`;
    const items = new Map<string, string>();
    const storage = {
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
    };
    const follow = async (): Promise<{ readonly client: Client; readonly seen: Seen }> => {
      const client = stage.client({ url: gateway.wsUrl, transport, storage });
      const seen = watch();
      client.subscribe(property, seen.handlers);
      await live(seen);
      return { client, seen };
    };
    const [one, two] = [await follow(), await follow()];
    await stage.log.append(channel, numbered(1, 3), 'HPD');
    await Promise.all([one.seen.got(3), two.seen.got(3)]);
    one.client.dispose();
    await stage.log.append(channel, numbered(4, 5), 'HPD');
    await two.seen.got(5);
    two.client.dispose();
    await stage.log.append(channel, numbered(6, 7), 'HPD');
    const { seen } = await follow();
    await seen.got(7);
    expect(one.seen.numbers).toEqual(count(1, 3));
    expect(two.seen.numbers).toEqual(count(1, 5));
    expect(seen.numbers).toEqual(count(6, 7));
  });

  it('that has no history far enough says so, and gives the present instead', async () => {
    const gateway = await stage.gateway();
    const property = newProperty();
    const channel = `property:${property}`;
    const [position] = await stage.log.append(channel, numbered(1, 1), 'HPD');
    await stage.log.append(channel, numbered(2, 300), 'HPD');
    const client = stage.client({ url: gateway.wsUrl, transport });
    const states: unknown[] = [];
    const seen = watch({ after: position, onState: ({ events }) => states.push(events.map(({ n }) => n)) });
    client.subscribe(property, seen.handlers);
    await live(seen);
    await stage.log.append(channel, numbered(301, 302), 'HPD');
    await seen.got(302);
    expect(seen.log).toEqual(['gap history', 'not recovered 0', 'live']);
    expect(states.at(-1)).toEqual([300]);
    expect(seen.numbers).toEqual([301, 302]);
  });
});

describe('the client', () => {
  it('polls where WebSockets are blocked, and hands back without a hole when they are not', async () => {
    const [a, b] = await Promise.all([stage.gateway(), stage.gateway()]);
    const property = newProperty();
    const channel = `property:${property}`;
    let blocked = false;
    class Blockable extends WebSocket {
      constructor(url: string) {
        super(blocked ? 'ws://127.0.0.1:1' : url);
      }
    }
    const client = stage.client({
      url: [a.wsUrl, b.wsUrl],
      WebSocket: Blockable,
      fallback: { url: `${b.url}/v1/state`, intervalMs: 200 },
      random: () => 0.05,
    });
    const states: unknown[] = [];
    const seen = watch({ onState: ({ events }) => states.push(events.map(({ n }) => n)) });
    client.subscribe(property, seen.handlers);
    await live(seen);
    await stage.log.append(channel, numbered(1, 2), 'HPD');
    await seen.got(2);
    blocked = true;
    let attempts = 0;
    client.on('status', ({ attempt }) => {
      attempts = Math.max(attempts, attempt);
    });
    await a.kill();
    await vi.waitFor(() => expect(client.state.mode).toBe('polling'), LONG);
    expect(attempts).toBeLessThanOrEqual(4);
    await stage.log.append(channel, numbered(3, 5), 'HPD');
    await vi.waitFor(() => expect(states.at(-1)).toEqual([5]), LONG);
    blocked = false;
    client.retryNow();
    await vi.waitFor(() => expect(client.state).toMatchObject({ status: 'connected', mode: 'live' }), LONG);
    await stage.log.append(channel, numbered(6, 6), 'HPD');
    await seen.got(6);
    expect(seen.numbers).toEqual(count(1, 6));
  });

  it('learns of a Redis that came back empty: RESYNC is a gap, and the present follows', async () => {
    const gateway = await stage.gateway();
    const property = newProperty();
    const channel = `property:${property}`;
    const client = stage.client({ url: gateway.wsUrl });
    const seen = watch({ onState: () => undefined });
    client.subscribe(property, seen.handlers);
    await live(seen);
    await stage.log.append(channel, numbered(1, 3));
    await seen.got(3);
    await stage.redis.restart({ keepData: false });
    await vi.waitFor(() => stage.log.append(channel, numbered(4, 4)), LONG);
    await vi.waitFor(() => expect(seen.log).toContain('gap resync'), LONG);
    await stage.log.append(channel, numbered(5, 5));
    await seen.got(5);
    expect(client.state.status).toBe('connected');
  });
});
