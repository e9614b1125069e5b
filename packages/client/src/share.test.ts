import { deferred } from '@belfry/testkit';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { ClientOptions } from './api.js';
import { settled } from './fake-clock.test-support.js';
import { createOrigin } from './origin.test-support.js';
import { createRecording, event } from './recording.test-support.js';
import { createRig, type Rig } from './rig.test-support.js';

const CHANNEL = 'property:1000010001';

/** What is loaded when it is first wanted takes as long as the machine needs. */
const until = (check: () => void) => vi.waitFor(check, { timeout: 15_000, interval: 1 });

/** Lets what was loaded, and what tabs say to each other, arrive. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await settled();
}

async function lead(rig: Rig): Promise<void> {
  rig.client.connect();
  await until(() => expect(rig.network.sockets).toHaveLength(1));
  rig.network.socket.welcome();
  rig.network.socket.authenticated();
  await quiet();
}

async function follow(rig: Rig): Promise<void> {
  rig.client.connect();
  await until(() => expect(rig.client.state.status).toBe('connected'));
  await quiet();
}

const refOf = (message: unknown) => (message as { ref: string }).ref;

/** What each of them hears of the channel, from `7-0` on. */
async function record(leader: Rig, tabs: readonly Rig[]) {
  const recordings = tabs.map((rig) => {
    const recording = createRecording();
    rig.client.subscribe(CHANNEL, recording.handlers);
    return recording;
  });
  await quiet();
  for (const asked of leader.asked()) {
    leader.network.socket.frame({ type: 'SUBSCRIBED', channel: CHANNEL, id: '7-0', replay: 0, ref: refOf(asked) });
  }
  return recordings;
}

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('tabs of one origin', () => {
  it('have one connection, and everybody is connected', async () => {
    const { tab } = createOrigin();
    const [one, two, three] = [tab(), tab(), tab()];
    await lead(one);
    await follow(two);
    await follow(three);
    expect(two.network.sockets).toHaveLength(0);
    expect(three.network.sockets).toHaveLength(0);
    expect(two.client.user).toEqual(one.client.user);
    expect(two.client.state).toMatchObject({ status: 'connected', mode: 'live' });
  });

  it('hear what they subscribed to, and each judges continuity for itself', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    await follow(two);
    const [mine, theirs] = [createRecording(), createRecording()];
    one.client.subscribe(CHANNEL, mine.handlers);
    await quiet();
    const [first] = one.asked();
    one.network.socket.frame({ type: 'SUBSCRIBED', channel: CHANNEL, id: '7-0', replay: 0, ref: refOf(first) });
    one.network.socket.frame(event('7-1'));
    two.client.subscribe(CHANNEL, theirs.handlers);
    await quiet();
    const [second] = one.asked();
    expect(second).toMatchObject({ type: 'SUBSCRIBE', channels: [CHANNEL] });
    one.network.socket.frame({ type: 'SUBSCRIBED', channel: CHANNEL, id: '7-1', replay: 0, ref: refOf(second) });
    one.network.socket.frame(event('7-2'));
    one.network.socket.frame(event('7-2'));
    await quiet();
    expect(mine.log).toEqual(['live 7-0', 'event 7-1', 'event 7-2']);
    expect(theirs.log).toEqual(['live 7-1', 'event 7-2']);
  });

  it('leave a channel when none of them wants it any more', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    await follow(two);
    const leaveOne = one.client.subscribe(CHANNEL, {});
    const leaveTwo = two.client.subscribe(CHANNEL, {});
    await quiet();
    one.asked();
    leaveOne();
    await quiet();
    expect(one.asked()).toEqual([]);
    leaveTwo();
    await quiet();
    expect(one.asked()).toMatchObject([{ type: 'UNSUBSCRIBE', channels: [CHANNEL] }]);
  });

  it('that are closed leave what they alone wanted', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    await follow(two);
    two.client.subscribe(CHANNEL, {});
    await quiet();
    expect(one.asked()).toHaveLength(1);
    two.client.dispose();
    await quiet();
    expect(one.asked()).toMatchObject([{ type: 'UNSUBSCRIBE', channels: [CHANNEL] }]);
  });

  it('that are closed before they had what they asked for leave nobody deaf', async () => {
    const { tab } = createOrigin();
    const [one, two, three] = [tab(), tab(), tab()];
    await lead(one);
    await follow(two);
    await follow(three);
    const recordings = await record(one, [one, two]);
    one.network.socket.frame(event('7-1'));
    three.client.subscribe(CHANNEL, { rewind: 100 });
    await quiet();
    const [rewinding] = one.asked();
    three.client.dispose();
    await quiet();
    // The gateway let go of the channel when it was asked for anew, and cannot join it now.
    const vain = { code: 'unavailable', channel: CHANNEL, retry_after_ms: 3_000, ref: refOf(rewinding) };
    one.network.socket.frame({ type: 'ERROR', message: 'the log cannot be read at the moment', ...vain });
    await quiet();
    await one.clock.advance(4_500);
    await two.clock.advance(4_500);
    await quiet();
    const again = one.asked();
    expect(again).toMatchObject([{ after: { [CHANNEL]: '7-1' } }, { after: { [CHANNEL]: '7-1' } }]);
    for (const { ref } of again as { ref: string }[]) {
      one.network.socket.frame({ type: 'SUBSCRIBED', channel: CHANNEL, id: '7-2', recovered: true, replay: 1, ref });
      one.network.socket.frame(event('7-2'));
    }
    await quiet();
    for (const { log } of recordings) {
      expect(log.filter((line) => line.startsWith('event'))).toEqual(['event 7-1', 'event 7-2 replayed']);
    }
  });

  it('ask and are answered through the one that is connected', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    await follow(two);
    const answer = two.client.getStatus();
    await quiet();
    const [asked] = one.asked();
    one.network.socket.frame({ type: 'STATUS', node: 'node-a', ref: refOf(asked) });
    expect((await answer).node).toBe('node-a');
  });

  it('do not answer PING, nor renew the token, for the one that is connected', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    await follow(two);
    one.network.socket.take();
    one.network.socket.frame({ type: 'PING' });
    await quiet();
    expect(one.network.socket.take()).toEqual([{ type: 'PONG' }]);
    expect(two.clock.waiting.every((ms) => ms < 60_000)).toBe(true);
  });

  it('take over when the connected one is closed, within a second, behind their last events', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    await follow(two);
    const { handlers, log } = createRecording();
    two.client.subscribe(CHANNEL, handlers);
    await quiet();
    const [first] = one.asked();
    one.network.socket.frame({ type: 'SUBSCRIBED', channel: CHANNEL, id: '7-0', replay: 0, ref: refOf(first) });
    one.network.socket.frame(event('7-1'));
    await quiet();
    one.client.dispose();
    await quiet();
    expect(two.client.state.status).toBe('reconnecting');
    await two.clock.advance(1_000);
    await until(() => expect(two.network.sockets).toHaveLength(1));
    two.network.socket.welcome();
    two.network.socket.authenticated();
    await quiet();
    const [again] = two.asked();
    expect(again).toMatchObject({ type: 'SUBSCRIBE', after: { [CHANNEL]: '7-1' } });
    expect(log).toEqual(['live 7-0', 'event 7-1']);
  });

  it('forget failures when the connection of another one has been stable', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    await follow(two);
    one.network.socket.drop(1006);
    await quiet();
    expect(two.client.state.attempt).toBe(1);
    await one.reconnect();
    await quiet();
    await two.clock.advance(600);
    await until(() => expect(two.client.state.status).toBe('connected'));
    expect(two.client.state.attempt).toBe(1);
    await two.clock.advance(10_000);
    expect(two.client.state.attempt).toBe(0);
  });

  it('that wait for their next attempt join as soon as another one is connected', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    await follow(two);
    one.network.socket.drop(1006);
    await quiet();
    expect(two.client.state.status).toBe('reconnecting');
    await one.reconnect();
    await quiet();
    await two.clock.advance(600);
    await until(() => expect(two.client.state.status).toBe('connected'));
    expect(two.network.sockets).toHaveLength(0);
  });

  it('that open while the connected one is still about it wait for it, however long that takes', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    one.client.connect();
    await until(() => expect(one.network.sockets).toHaveLength(1));
    two.client.connect();
    await until(() => expect(two.clock.waiting).toContain(2_000));
    await two.clock.advance(9_000);
    expect(two.network.sockets).toHaveLength(0);
    one.network.socket.welcome();
    one.network.socket.authenticated();
    await until(() => expect(two.client.state.status).toBe('connected'));
    expect(two.network.sockets).toHaveLength(0);
  });

  it('do not wait for one that is frozen: they connect by themselves, and for the next', async () => {
    const { tab } = createOrigin();
    const [one, two, three] = [tab(), tab(), tab()];
    await lead(one);
    one.freeze();
    two.client.connect();
    await until(() => expect(two.clock.waiting).toContain(2_000));
    await two.clock.advance(2_000);
    await until(() => expect(two.network.sockets).toHaveLength(1));
    two.network.socket.welcome();
    two.network.socket.authenticated();
    await quiet();
    expect(two.client.state.status).toBe('connected');
    one.crash();
    await quiet();
    await follow(three);
    expect(three.network.sockets).toHaveLength(0);
    expect(two.network.sockets).toHaveLength(1);
  });

  it('that asked before there was anybody to answer wait for the one that connects', async () => {
    const { tab } = createOrigin();
    const [frozen, one, two] = [tab(), tab(), tab()];
    await lead(frozen);
    frozen.freeze();
    one.client.connect();
    await quiet();
    two.client.connect();
    await quiet();
    // Frees what it held: only now can one of them connect for both.
    frozen.crash();
    await until(() => expect(one.network.sockets).toHaveLength(1));
    await quiet();
    await two.clock.advance(2_100);
    await quiet();
    expect(two.network.sockets).toHaveLength(0);
    one.network.socket.welcome();
    one.network.socket.authenticated();
    await until(() => expect(two.client.state.status).toBe('connected'));
    expect(two.network.sockets).toHaveLength(0);
  });

  it('notice at once that the connected one crashed, and one of them takes over for all: nothing lost, nothing twice', async () => {
    const { tab } = createOrigin();
    const [one, two, three] = [tab(), tab(), tab()];
    await lead(one);
    await follow(two);
    await follow(three);
    const recordings = await record(one, [two, three]);
    one.network.socket.frame(event('7-1'));
    await quiet();
    one.crash();
    await quiet();
    expect([two.client.state.status, three.client.state.status]).toEqual(['reconnecting', 'reconnecting']);
    await two.clock.advance(1_000);
    await until(() => expect(two.network.sockets).toHaveLength(1));
    await three.clock.advance(1_000);
    two.network.socket.welcome();
    two.network.socket.authenticated();
    await until(() => expect(three.client.state.status).toBe('connected'));
    await quiet();
    const asked = two.asked();
    expect(asked).toMatchObject([{ after: { [CHANNEL]: '7-1' } }, { after: { [CHANNEL]: '7-1' } }]);
    for (const { ref } of asked as { ref: string }[]) {
      two.network.socket.frame({ type: 'SUBSCRIBED', channel: CHANNEL, id: '7-2', recovered: true, replay: 1, ref });
      two.network.socket.frame(event('7-2'));
    }
    await quiet();
    expect(three.network.sockets).toHaveLength(0);
    for (const { log } of recordings) {
      expect(log.filter((line) => line.startsWith('event'))).toEqual(['event 7-1', 'event 7-2 replayed']);
      expect(log.some((line) => line.startsWith('gap'))).toBe(false);
    }
  });

  it('that crashed leave what they alone wanted', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    await follow(two);
    two.client.subscribe(CHANNEL, {});
    await quiet();
    expect(one.asked()).toHaveLength(1);
    two.crash();
    await quiet();
    expect(one.asked()).toMatchObject([{ type: 'UNSUBSCRIBE', channels: [CHANNEL] }]);
  });

  it('stop together where the gateway wants nobody to come back', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    await follow(two);
    one.network.socket.drop(4002, 'disconnected by an operator');
    await quiet();
    await two.clock.advance(60_000);
    expect(two.client.state).toMatchObject({ status: 'disconnected', reason: { code: 4002 } });
    expect(two.network.sockets).toHaveLength(0);
  });

  it('come back when the gateway said so, the others too', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    await follow(two);
    one.network.socket.frame({ type: 'GOING_AWAY', reason: 'drain', reconnect_after_ms: 7_000 });
    await quiet();
    one.network.socket.drop(4200);
    await quiet();
    expect(two.changes.at(-1)?.retryInMs).toBeGreaterThanOrEqual(7_000);
  });

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

  it('leave nothing open', async () => {
    const { tab, open } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    await follow(two);
    two.client.dispose();
    one.client.dispose();
    await quiet();
    expect(open.size).toBe(0);
    expect([...one.clock.waiting, ...two.clock.waiting]).toEqual([]);
  });

  it('without locks, or under other names, have a connection each', async () => {
    createOrigin();
    vi.stubGlobal('navigator', {});
    const lonely = createRig({ share: 'manager' });
    lonely.client.connect();
    await quiet();
    expect(lonely.network.sockets).toHaveLength(1);
    const { tab } = createOrigin();
    await lead(tab());
    const other = createRig({ share: 'landlord-7' });
    await lead(other);
    expect(other.client.state.status).toBe('connected');
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
