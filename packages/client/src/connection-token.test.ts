/** The token on a connection: shown, renewed ahead of its end, refused, of another user. */
import { describe, expect, it, vi } from 'vitest';
import { settled } from './fake-clock.test-support.js';
import { createRig } from './rig.test-support.js';

describe('the token', () => {
  it('is renewed on the open connection before it expires, by the server’s clock', async () => {
    let issued = 0;
    const { client, network, clock } = createRig({ getToken: () => `token-${++issued}` });
    client.connect();
    await settled();
    // The server's clock is a day ahead of ours.
    const ahead = clock.now() / 1000 + 86_400;
    network.socket.welcome({ server_time: ahead });
    network.socket.authenticated({ expires_at: ahead + 300 });
    for (let quiet = 0; quiet < 240; quiet += 30) {
      expect(issued).toBe(1);
      await clock.advance(30_000);
      network.socket.frame({ type: 'PING' });
    }
    await clock.advance(30_000);
    expect(network.socket.take()).toContainEqual({
      type: 'AUTHENTICATE',
      token: 'token-2',
      join: ['user', 'role'],
      ref: 'auth',
    });
    network.socket.authenticated({ expires_at: ahead + 600 });
    expect(client.state.status).toBe('connected');
    expect(network.sockets).toHaveLength(1);
  });

  it('is renewed when the gateway asks for it', async () => {
    let issued = 0;
    const { network, clock, login } = createRig({ getToken: () => `token-${++issued}` });
    await login();
    await clock.advance(20_000);
    network.socket.take();
    network.socket.frame({ type: 'TOKEN_EXPIRING', expires_at: 0 });
    await clock.advance(0);
    expect(network.socket.take()).toEqual([
      { type: 'AUTHENTICATE', token: 'token-2', join: ['user', 'role'], ref: 'auth' },
    ]);
  });

  it('that lives shorter than the notice of its end is not renewed in a circle', async () => {
    const getToken = vi.fn(() => 'token');
    const { client, network, clock } = createRig({ getToken });
    client.connect();
    await settled();
    network.socket.welcome();
    const round = () => {
      network.socket.authenticated({ expires_at: clock.now() / 1000 + 40 });
      network.socket.frame({ type: 'TOKEN_EXPIRING', expires_at: clock.now() / 1000 + 40 });
    };
    round();
    await clock.advance(29_000);
    expect(getToken).toHaveBeenCalledTimes(1);
    await clock.advance(6_000);
    expect(getToken).toHaveBeenCalledTimes(2);
    round();
    await clock.advance(20_000);
    expect(getToken).toHaveBeenCalledTimes(2);
  });

  it('refused at the beginning is fetched anew, with backoff while that does not help', async () => {
    const getToken = vi.fn(() => 'token');
    const { client, network, clock, errors } = createRig({ getToken, random: () => 0.999 });
    client.connect();
    for (let round = 1; round <= 4; round++) {
      await clock.advance(8_000);
      network.socket.welcome();
      network.socket.frame({ type: 'ERROR', code: 'token_invalid', message: 'no', ref: 'auth' });
      expect(client.state).toMatchObject({ attempt: round, reason: { code: 'token_invalid' } });
      expect(network.socket.closed).toBe(true);
    }
    expect(getToken).toHaveBeenCalledTimes(4);
    expect(errors).toEqual(Array(4).fill('token_invalid: no'));
    expect((client.state.retryAt ?? 0) - clock.now()).toBeGreaterThan(7_000);
  });

  it('that the gateway cannot check now is shown again when it said, and not fetched anew', async () => {
    const getToken = vi.fn(() => 'token');
    const { client, network, clock, errors } = createRig({ getToken });
    client.connect();
    await settled();
    network.socket.welcome();
    network.socket.frame({ type: 'ERROR', code: 'unavailable', message: 'no', ref: 'auth', retry_after_ms: 3_000 });
    expect(client.state.reason).toMatchObject({ code: 'unavailable' });
    await clock.advance(2_900);
    expect(network.sockets).toHaveLength(1);
    await clock.advance(10_000);
    expect(network.sockets).toHaveLength(2);
    expect(getToken).toHaveBeenCalledTimes(1);
    expect(errors).toEqual(['unavailable: no']);
  });

  it('refused when renewed leaves the connection as it is, and is fetched again', async () => {
    let issued = 0;
    const { client, network, clock, login } = createRig({ getToken: () => `token-${++issued}` });
    await login();
    await clock.advance(20_000);
    network.socket.frame({ type: 'TOKEN_EXPIRING', expires_at: 0 });
    await clock.advance(0);
    network.socket.take();
    network.socket.frame({ type: 'ERROR', code: 'token_invalid', message: 'no', ref: 'auth' });
    expect(client.state.status).toBe('connected');
    await clock.advance(5_000);
    expect(network.socket.take()).toEqual([
      { type: 'AUTHENTICATE', token: 'token-3', join: ['user', 'role'], ref: 'auth' },
    ]);
  });

  it('of another user makes another connection', async () => {
    const { client, network, clock, login } = createRig();
    await login();
    await clock.advance(20_000);
    network.socket.frame({ type: 'ERROR', code: 'forbidden', message: 'another user', ref: 'auth' });
    expect(client.state.status).toBe('reconnecting');
    await clock.advance(1_000);
    expect(network.sockets).toHaveLength(2);
  });

  it('that cannot be fetched is an error and a failed attempt, and is tried again', async () => {
    const getToken = vi.fn<() => Promise<string>>().mockRejectedValueOnce(new Error('503')).mockResolvedValue('token');
    const { client, network, clock, errors } = createRig({ getToken });
    client.connect();
    await settled();
    expect(errors).toEqual(['token: 503']);
    expect(client.state).toMatchObject({ status: 'connecting', attempt: 1, reason: { code: 'token' } });
    await clock.advance(2_500);
    expect(network.sockets).toHaveLength(1);
  });

  it('that takes too long fails the attempt, and is waited for in the next one', async () => {
    let deliver = (_token: string): void => undefined;
    const getToken = vi.fn(
      () =>
        new Promise<string>((resolve) => {
          deliver = resolve;
        }),
    );
    const { client, network, clock } = createRig({ getToken });
    client.connect();
    await clock.advance(13_000);
    expect(client.state.attempt).toBe(1);
    deliver('token');
    await settled();
    expect(network.sockets).toHaveLength(1);
    expect(getToken).toHaveBeenCalledTimes(1);
  });

  // The type allows null only: in JavaScript a variable that is not set gets here all the same.
  it.each([null, undefined, ''])('%j means signed out: the client stops', async (none) => {
    const { client, network, outages } = createRig({ getToken: () => none as null });
    client.connect();
    await settled();
    expect(client.state).toMatchObject({ status: 'disconnected', reason: { code: 'token' } });
    expect(network.sockets).toHaveLength(0);
    expect(outages).toEqual(['failed']);
  });

  it.each([null, undefined, ''])('%j in place of the next one means signed out, too', async (none) => {
    const getToken = vi.fn((): string | null => 'token');
    const { client, network, clock, login } = createRig({ getToken });
    await login();
    await clock.advance(20_000);
    getToken.mockReturnValue(none as null);
    network.socket.frame({ type: 'TOKEN_EXPIRING', expires_at: 0 });
    await clock.advance(0);
    expect(client.state).toMatchObject({ status: 'disconnected', reason: { code: 'token' } });
    expect(network.socket.closed).toBe(true);
  });

  it('is not shown to those who listen to frames', async () => {
    const { client, login } = createRig({ getToken: () => 'very-secret' });
    const frames: string[] = [];
    client.on('frame', ({ direction, text }) => frames.push(`${direction} ${text}`));
    await login();
    expect(frames.some((frame) => frame.startsWith('out {"type":"AUTHENTICATE"'))).toBe(true);
    expect(frames.join()).not.toContain('very-secret');
  });
});
