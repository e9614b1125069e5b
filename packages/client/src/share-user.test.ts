import { deferred } from '@belfry/testkit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ClientOptions } from './api.js';
import { createOrigin } from './origin.test-support.js';
import { createRecording, event } from './recording.test-support.js';
import { follow, lead, quiet, refOf, until } from './sharing.test-support.js';

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('tabs of one origin', () => {
  it('are as one only where they are the same user with the same rights', async () => {
    const jwt = (claims: object) => `e30.${btoa(JSON.stringify(claims))}.c2ln`;
    const manager = { user_id: 'manager', role: 'MANAGER', properties: ['1000010001'] };
    const { tab } = createOrigin();
    await lead(tab({ getToken: () => jwt({ ...manager, exp: 1, jti: 'a' }) }));
    const same = tab({ getToken: () => jwt({ exp: 2, iat: 1, ...manager }) });
    await follow(same);
    expect(same.network.sockets).toHaveLength(0);
    for (const token of [
      jwt({ ...manager, user_id: 'landlord-7' }),
      jwt({ ...manager, role: 'ADMIN' }),
      jwt({ ...manager, properties: '*' }),
      'token',
      'another',
      'no.json.token',
    ]) {
      // Each of them has to connect by itself, as the first of its kind.
      await lead(tab({ getToken: () => token }));
    }
    await lead(tab({ getToken: undefined }));
    const elsewhere = tab({ url: 'ws://elsewhere.test/ws', getToken: () => 'token' });
    await lead(elsewhere);
    const again = tab({ getToken: () => 'token' });
    await follow(again);
    expect(again.network.sockets).toHaveLength(0);
  });

  it('follow somebody else’s connection no longer when their user signs in as somebody else', async () => {
    const { tab } = createOrigin();
    let token = 'manager';
    const [one, two] = [tab({ getToken: () => 'manager' }), tab({ getToken: () => token })];
    await lead(one);
    await follow(two);
    two.client.close();
    token = 'landlord-7';
    await two.clock.advance(61_000);
    await lead(two);
    expect(two.network.sockets).toHaveLength(1);
  });

  it('without a token ask again, without a user stop', async () => {
    const { tab } = createOrigin();
    let calls = 0;
    const one = tab({
      getToken: () => {
        if (++calls < 3) throw new Error('token service is down');
        return 'token';
      },
    });
    one.client.connect();
    await until(() => expect(one.errors).toHaveLength(1));
    await one.clock.advance(2_500);
    await until(() => expect(one.errors).toHaveLength(2));
    await one.clock.advance(5_000);
    await until(() => expect(one.network.sockets).toHaveLength(1));
    expect(one.errors).toEqual(['token: token service is down', 'token: token service is down']);
    const out = tab({ getToken: () => null });
    out.client.connect();
    await until(() => expect(out.client.state).toMatchObject({ status: 'disconnected', reason: { code: 'token' } }));
  });
});

describe('a tab whose next token takes a while', () => {
  type Answer = ReturnType<typeof deferred<string | null>>;
  const jwt = (user: string) => `e30.${btoa(JSON.stringify({ user_id: user }))}.c2ln`;

  /** The connected tab lost its connection, and is back while the other one's token is still being fetched. */
  async function fetching(options: Partial<ClientOptions> = {}) {
    const { tab } = createOrigin();
    const one = tab({ getToken: () => jwt('manager') });
    const answers: [Answer, Answer] = [deferred(), deferred()];
    let calls = 0;
    const getToken = () => answers[calls++ - 1]?.promise ?? jwt('manager');
    const two = tab({ getToken, ...options });
    await lead(one);
    await follow(two);
    const { handlers, log } = createRecording();
    two.client.subscribe('user:manager', handlers);
    await quiet();
    // Until the token is too old to be used again.
    for (let seconds = 0; seconds <= 60; seconds += 20) {
      await two.clock.advance(20_000);
      one.network.socket.frame({ type: 'PING' });
      await quiet();
    }
    const users: (string | undefined)[] = [];
    two.client.on('user', ({ id }) => users.push(id));
    one.network.socket.drop(1006);
    await two.clock.until(() => calls === 2);
    const back = async () => {
      await one.reconnect();
      await quiet();
    };
    return { one, two, users, log, back, answers };
  }

  it('follows nobody before it is there, and then whom it names', async () => {
    const { one, two, users, log, back, answers } = await fetching();
    await back();
    expect(two.client.state).toMatchObject({ status: 'reconnecting', mode: 'stale' });
    expect(one.asked()).toEqual([]);
    answers[0].resolve(jwt('manager'));
    await until(() => expect(two.client.state.status).toBe('connected'));
    await quiet();
    const [asked] = one.asked();
    expect(asked).toMatchObject({ type: 'SUBSCRIBE', channels: ['user:manager'] });
    one.network.socket.frame({ type: 'SUBSCRIBED', channel: 'user:manager', id: '7-0', replay: 0, ref: refOf(asked) });
    one.network.socket.frame(event('7-1', 'user:manager'));
    await quiet();
    expect(log).toEqual(['live 7-0', 'event 7-1']);
    expect(users).toEqual(['manager']);
    one.crash();
    await quiet();
    await two.clock.advance(1_000);
    await until(() => expect(two.network.sockets).toHaveLength(1));
  });

  it('hears nothing of the user whom it followed, where another one has signed in', async () => {
    const { one, two, users, log, back, answers } = await fetching();
    await back();
    one.network.socket.frame(event('7-1', 'user:manager'));
    await quiet();
    answers[0].resolve(jwt('landlord-7'));
    // The first of that name.
    await until(() => expect(two.network.sockets).toHaveLength(1));
    two.network.socket.welcome();
    two.network.socket.authenticated({ user_id: 'landlord-7' });
    await quiet();
    expect(one.asked()).toEqual([]);
    expect(users).toEqual(['landlord-7']);
    expect(log).toEqual([]);
  });

  it('stops at once where it has signed out', async () => {
    const { two, users, back, answers } = await fetching();
    await back();
    answers[0].resolve(null);
    answers[1].resolve(null);
    await until(() => expect(two.client.state).toMatchObject({ status: 'disconnected', reason: { code: 'token' } }));
    expect(users).toEqual([]);
    expect(two.clock.waiting).toEqual([]);
  });

  it.each([
    ['fails', (answer: Answer) => answer.reject(new Error('token service is down')), 0],
    ['never comes', () => undefined, 10_000],
  ])('that %s waits, and joins as soon as another one is connected', async (_, happens, ms) => {
    const { two, users, back, answers } = await fetching({ random: () => 0.9 });
    happens(answers[0]);
    await two.clock.advance(ms);
    await until(() => expect(two.errors).toHaveLength(1));
    expect(two.client.state).toMatchObject({ status: 'reconnecting', reason: { code: 'token' } });
    await back();
    expect(users).toEqual([]);
    answers[0].resolve(jwt('manager'));
    answers[1].resolve(jwt('manager'));
    await two.clock.advance(500);
    await until(() => expect(two.client.state.status).toBe('connected'));
    expect(two.network.sockets).toHaveLength(0);
    expect(users).toEqual(['manager']);
  });
});
