import { afterEach, describe, expect, it, vi } from 'vitest';
import { createOrigin } from './origin.test-support.js';
import { createRecording, event } from './recording.test-support.js';
import { CHANNEL, follow, lead, quiet, record, refOf, until } from './sharing.test-support.js';

afterEach(() => {
  vi.unstubAllGlobals();
});

describe('tabs of one origin', () => {
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
});
