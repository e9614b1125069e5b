import { describe, expect, it, vi } from 'vitest';
import { createClient } from './client.js';
import { settled } from './fake-clock.test-support.js';
import { createRig } from './rig.test-support.js';

describe('connecting', () => {
  it('waits for the first use', async () => {
    const { client, network, clock } = createRig();
    expect(client.state.status).toBe('initial');
    await clock.advance(60_000);
    expect(network.sockets).toHaveLength(0);
    client.subscribe('1000010001', {});
    await settled();
    expect(network.sockets).toHaveLength(1);
  });

  it('goes from WELCOME through AUTHENTICATE to connected', async () => {
    const { client, network, statuses } = createRig();
    client.connect();
    await settled();
    expect(network.socket.take()).toEqual([]);
    network.socket.welcome();
    expect(network.socket.take()).toEqual([
      { type: 'AUTHENTICATE', token: 'token', join: ['user', 'role'], ref: 'auth' },
    ]);
    expect(client.state).toMatchObject({ status: 'connecting', mode: 'stale' });
    network.socket.authenticated();
    expect(client.state).toMatchObject({ status: 'connected', mode: 'live', attempt: 0, reason: undefined });
    expect(client.user).toEqual({ id: 'manager', role: 'MANAGER', channels: ['user:manager', 'role:manager'] });
    expect(statuses).toEqual(['connecting', 'connected']);
  });

  it('sends its subscriptions without waiting for AUTHENTICATED', async () => {
    const { client, network } = createRig();
    client.subscribe('1000010001', {});
    await settled();
    network.socket.welcome();
    await settled();
    expect(network.socket.take().map(({ type }) => type)).toEqual(['AUTHENTICATE', 'SUBSCRIBE']);
  });

  it('is connected at WELCOME where the application gives no token', async () => {
    const { client, network } = createRig({ getToken: undefined });
    client.connect();
    await settled();
    network.socket.welcome();
    expect(client.state.status).toBe('connected');
    expect(network.socket.sent).toEqual([]);
  });

  it('understands http URLs as the gateway’s, and refuses what is no URL', async () => {
    const { client, network } = createRig({ url: 'https://gateway.test/ws' });
    client.connect();
    await settled();
    expect(network.socket.url).toBe('wss://gateway.test/ws');
    expect(() => createRig({ url: 'nonsense' })).toThrow(TypeError);
  });

  it('understands an address beside the page’s', async () => {
    vi.stubGlobal('location', { href: 'https://dashboard.test/portfolio?x=1' });
    const { client, network } = createRig({ url: '/ws' });
    vi.unstubAllGlobals();
    client.connect();
    await settled();
    expect(network.socket.url).toBe('wss://dashboard.test/ws');
  });

  it('says what is missing in a runtime without WebSocket', () => {
    expect(globalThis.WebSocket).toBeUndefined();
    expect(() => createClient({ url: 'ws://gateway.test' })).toThrow(/no WebSocket.*`ws`/);
  });

  it('gives up an attempt without WELCOME or AUTHENTICATED after 10 s each, and closes its socket', async () => {
    const { client, network, clock } = createRig();
    client.connect();
    await clock.advance(9_999);
    expect(client.state.attempt).toBe(0);
    await clock.advance(1);
    expect(client.state).toMatchObject({ attempt: 1, reason: { code: 'transport', message: 'no WELCOME' } });
    expect(network.socket.closed).toBe(true);
    await clock.advance(2_500);
    network.socket.welcome();
    await clock.advance(10_000);
    expect(client.state).toMatchObject({ attempt: 2, reason: { message: 'no AUTHENTICATED' } });
  });

  it('tries the next address when one fails, and stays with the one that works', async () => {
    const { client, network, clock } = createRig({ url: ['ws://a.test', 'ws://b.test'] });
    client.connect();
    await settled();
    network.socket.drop(1006);
    await clock.advance(5_000);
    expect(network.socket.url).toBe('ws://b.test/');
    network.socket.welcome();
    network.socket.authenticated();
    await clock.advance(11_000);
    network.socket.drop(1006);
    await clock.advance(5_000);
    expect(network.sockets.map(({ url }) => url)).toEqual(['ws://a.test/', 'ws://b.test/', 'ws://b.test/']);
  });

  it('survives a constructor that throws, as a content security policy makes it', async () => {
    const Throwing = class {
      constructor() {
        throw new Error('blocked');
      }
    };
    const { client, errors, clock } = createRig({ WebSocket: Throwing });
    client.connect();
    await clock.advance(0);
    expect(client.state).toMatchObject({ status: 'connecting', attempt: 1 });
    expect(errors).toEqual(['transport: blocked']);
  });
});

describe('reconnecting', () => {
  it('is spread over the window of WELCOME first, then over 2, 4, 8 … s', async () => {
    const { client, network, clock, attempt, changes } = createRig({ random: () => 0.999 });
    client.connect();
    await settled();
    network.socket.welcome({ reconnect: { first_ms: 12_000, max_ms: 6_000 } });
    network.socket.authenticated();
    await clock.advance(10_000);
    const delays: number[] = [];
    for (let round = 0; round < 4; round++) {
      network.socket.drop(1006);
      delays.push(Math.round((changes.at(-1)?.retryInMs ?? 0) / 100) * 100);
      expect(client.state.attempt).toBe(round + 1);
      await attempt();
    }
    expect(delays).toEqual([12_000, 2_000, 4_000, 6_000]);
  });

  it('counts failures until a connection has been stable for 10 s: accepting and dropping is no success', async () => {
    const { client, network, clock, login, reconnect } = createRig();
    await login();
    for (let round = 1; round <= 4; round++) {
      await clock.advance(9_000);
      network.socket.drop(1006);
      expect(client.state.attempt).toBe(round);
      await reconnect();
    }
    await clock.advance(10_000);
    expect(client.state.attempt).toBe(0);
  });

  it('says when the next attempt is due, and is cut short by retryNow', async () => {
    const { client, network, clock, login } = createRig();
    await login();
    network.socket.drop(1006);
    expect(client.state).toMatchObject({ status: 'reconnecting', retryAt: clock.now() + 2_500 });
    client.retryNow();
    await settled();
    expect(network.sockets).toHaveLength(2);
    expect(client.state.retryAt).toBeUndefined();
    client.retryNow();
    expect(network.sockets).toHaveLength(2);
  });

  it('never ends by itself', async () => {
    const { client, network, attempt } = createRig();
    client.connect();
    await settled();
    for (let round = 0; round < 100; round++) {
      if (round > 0) await attempt();
      network.socket.drop(1006);
    }
    expect(client.state).toMatchObject({ status: 'connecting', attempt: 100 });
  });

  it('ends after maxAttempts failures in a row, tells so, and starts again when asked', async () => {
    const { client, network, clock, outages, attempt } = createRig({ maxAttempts: 3 });
    client.connect();
    await settled();
    for (let round = 0; round < 3; round++) {
      if (round > 0) await attempt();
      network.socket.drop(1006, 'gone');
    }
    expect(client.state).toMatchObject({ status: 'disconnected', reason: { code: 1006, message: 'gone' } });
    expect(outages).toEqual(['failed']);
    await clock.advance(600_000);
    expect(network.sockets).toHaveLength(3);
    client.connect();
    await settled();
    expect(client.state).toMatchObject({ status: 'connecting', attempt: 0 });
    expect(network.sockets).toHaveLength(4);
  });

  it('tells of being lost after 5 s only, and of being restored only then', async () => {
    const { network, clock, login, outages, reconnect } = createRig();
    await login();
    network.socket.drop(1006);
    await reconnect();
    await clock.advance(20_000);
    expect(outages).toEqual([]);
    network.socket.frame({ type: 'GOING_AWAY', reason: 'drain', reconnect_after_ms: 6_000 });
    network.socket.drop(4200);
    await clock.advance(4_999);
    expect(outages).toEqual([]);
    await clock.advance(1);
    expect(outages).toEqual(['lost']);
    await reconnect();
    expect(outages).toEqual(['lost', 'restored']);
  });
});

describe('a close', () => {
  const after = async (code: number) => {
    const rig = createRig();
    await rig.login();
    await rig.clock.advance(20_000);
    rig.network.socket.drop(code, 'because');
    return rig;
  };

  it.each([4000, 4001, 4002, 4099])('with %i is the end', async (code) => {
    const { client, clock, network, outages } = await after(code);
    expect(client.state).toMatchObject({ status: 'disconnected', reason: { code, message: 'because' } });
    expect(outages).toEqual(['failed']);
    await clock.advance(600_000);
    expect(network.sockets).toHaveLength(1);
  });

  it.each([4100, 4101, 4102, 4199])('with %i brings another token, within a second', async (code) => {
    const getToken = vi.fn(() => 'token');
    const { client, clock, network, login } = createRig({ getToken });
    await login();
    await clock.advance(20_000);
    network.socket.drop(code);
    expect(client.state.status).toBe('reconnecting');
    await clock.advance(1_000);
    expect(getToken).toHaveBeenCalledTimes(2);
    expect(network.sockets).toHaveLength(2);
  });

  it.each([4200, 4201, 4204, 4299])('with %i is followed by the delay that GOING_AWAY asked for', async (code) => {
    const { client, clock, network, login } = createRig();
    await login();
    await clock.advance(20_000);
    network.socket.frame({ type: 'GOING_AWAY', reason: 'drain', reconnect_after_ms: 20_000 });
    expect(client.state.status).toBe('connected');
    network.socket.drop(code);
    await clock.advance(20_000);
    expect(network.sockets).toHaveLength(1);
    await clock.advance(1_000);
    expect(network.sockets).toHaveLength(2);
  });

  it('is followed by the delay that GOING_AWAY asked for, whatever other errors came meanwhile', async () => {
    const { client, clock, network, login } = createRig();
    await login();
    await clock.advance(20_000);
    network.socket.frame({ type: 'GOING_AWAY', reason: 'drain', reconnect_after_ms: 20_000 });
    network.socket.frame({ type: 'ERROR', code: 'unknown_type', message: 'not understood' });
    network.socket.frame({ type: 'ERROR', code: 'rate_limited', message: 'too many', retry_after_ms: 500 });
    network.socket.drop(1001);
    expect(client.state.retryAt).toBeGreaterThanOrEqual(clock.now() + 20_000);
  });

  it.each([1000, 1001, 1006, 1011, 1012, 1013, 3000, 4300])('with %i is followed by backoff', async (code) => {
    const { client, clock, network } = await after(code);
    expect(client.state.status).toBe('reconnecting');
    await clock.advance(5_000);
    expect(network.sockets).toHaveLength(2);
  });

  it('by the application keeps the subscriptions for the next connect', async () => {
    const { client, network, login, outages, asked } = createRig();
    client.subscribe('1000010001', {});
    await login();
    client.close();
    expect(client.state).toMatchObject({ status: 'disconnected', reason: undefined });
    expect(network.socket.closed).toBe(true);
    expect(outages).toEqual([]);
    await login();
    expect(asked()).toMatchObject([{ type: 'SUBSCRIBE', channels: ['property:1000010001'] }]);
  });
});

describe('silence', () => {
  it('longer than the heartbeat and its grace is questioned, and ends the connection when nobody answers', async () => {
    const { client, network, clock, login } = createRig();
    await login();
    network.socket.take();
    await clock.advance(39_999);
    expect(network.socket.take()).toEqual([]);
    await clock.advance(1);
    expect(network.socket.take()).toEqual([{ type: 'PING' }]);
    expect(client.state.status).toBe('connected');
    await clock.advance(5_000);
    expect(client.state).toMatchObject({ status: 'reconnecting', reason: { message: 'no sign of life' } });
    expect(network.socket.closed).toBe(true);
  });

  it('is noticed whatever happens to the clock: set back or forward by hours, or asleep', async () => {
    for (const jump of [-7_200_000, 7_200_000]) {
      const { client, network, clock, login } = createRig();
      await login();
      clock.set(clock.now() + jump);
      await clock.advance(85_000);
      expect(client.state.status, `${jump}`).not.toBe('connected');
      expect(network.sockets[0]?.closed).toBe(true);
    }
  });

  it('is broken by any frame', async () => {
    const { client, network, clock, login } = createRig();
    await login();
    for (let round = 0; round < 10; round++) {
      await clock.advance(39_000);
      network.socket.frame({ type: 'SOMETHING_NEW' });
    }
    await clock.advance(42_000);
    network.socket.frame({ type: 'PONG' });
    await clock.advance(30_000);
    expect(client.state.status).toBe('connected');
    expect(network.sockets).toHaveLength(1);
  });

  it('lasts as long as the gateway’s own interval says', async () => {
    const { client, network, clock } = createRig();
    client.connect();
    await settled();
    network.socket.welcome({ heartbeat_interval: 2 });
    network.socket.authenticated();
    network.socket.take();
    await clock.advance(12_000);
    expect(network.socket.take()).toEqual([{ type: 'PING' }]);
  });

  it('PING is answered by PONG', async () => {
    const { network, login } = createRig();
    await login();
    network.socket.take();
    network.socket.frame({ type: 'PING' });
    expect(network.socket.take()).toEqual([{ type: 'PONG' }]);
  });
});

describe('frames that are none', () => {
  it.each(['', 'nonsense', 'null', '42', '[]', '{}', '{"type":7}', '{"type":'])(
    '%j are an error each, and nothing else',
    async (text) => {
      const { client, network, errors, login } = createRig();
      await login();
      network.socket.raw(text);
      expect(errors).toHaveLength(1);
      expect(errors[0]).toMatch(/^bad_frame/);
      expect(client.state.status).toBe('connected');
    },
  );

  it('binary ones are an error', async () => {
    const { network, errors, login } = createRig();
    await login();
    network.socket.raw(new ArrayBuffer(4));
    expect(errors).toHaveLength(1);
  });

  it('types and fields of a later protocol are ignored', async () => {
    const { client, network, errors, login } = createRig();
    await login();
    network.socket.frame({ type: 'HOLOGRAM', __proto__: null, constructor: 1 });
    network.socket.raw('{"type":"WELCOME","__proto__":{"polluted":true}}');
    expect(errors).toEqual([]);
    expect(client.state.status).toBe('connected');
    expect(({} as Record<string, unknown>).polluted).toBeUndefined();
  });
});

describe('what the client leaves behind', () => {
  it('is nothing, wherever it was disposed of', async () => {
    for (const stage of ['initial', 'opening', 'connected', 'waiting'] as const) {
      const { client, network, clock, login } = createRig();
      if (stage === 'opening') client.connect();
      if (stage === 'connected' || stage === 'waiting') await login();
      client.subscribe('1000010001', { onState: () => undefined });
      await settled();
      if (stage === 'waiting') network.socket.drop(1006);
      client.dispose();
      await settled();
      expect(clock.waiting, stage).toEqual([]);
      expect(network.sockets.every(({ closed }) => closed) || stage === 'waiting').toBe(true);
      expect(() => client.subscribe('1000010001', {})).toThrow(/disposed/);
    }
  });
});
