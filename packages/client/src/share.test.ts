import { afterEach, describe, expect, it, vi } from 'vitest';
import { settled } from './fake-clock.test-support.js';
import { createRecording, event } from './recording.test-support.js';
import { createRig, type Rig } from './rig.test-support.js';

const CHANNEL = 'property:1000010001';

/** The Web Locks of one origin, as far as they are used: first come, first served. */
function createLocks() {
  const queues = new Map<string, (() => void)[]>();
  const request = (name: string, { signal }: LockOptions, held: () => Promise<void> | undefined): Promise<void> =>
    new Promise<void>((resolve, reject) => {
      const queue = queues.get(name) ?? [];
      queues.set(name, queue);
      const next = (): void => {
        queue.shift();
        queue[0]?.();
      };
      const grant = async (): Promise<void> => {
        await held();
        resolve();
        next();
      };
      queue.push(grant);
      signal?.addEventListener('abort', () => {
        const index = queue.indexOf(grant);
        // The first one holds the lock, and lets go of it by itself.
        if (index > 0) queue.splice(index, 1);
        reject(signal.reason);
      });
      if (queue.length === 1) queueMicrotask(grant);
    });
  return { request: request as unknown as LockManager['request'] };
}

/** The BroadcastChannels of one origin; messages arrive a microtask later, at everybody else's. */
function createChannels() {
  const open = new Set<FakeChannel>();
  class FakeChannel {
    onmessage: ((event: { data: unknown }) => void) | null = null;
    readonly name: string;
    constructor(name: string) {
      this.name = name;
      open.add(this);
    }
    postMessage(data: unknown): void {
      for (const other of open) {
        if (other === this || other.name !== this.name) continue;
        const copy = structuredClone(data);
        queueMicrotask(() => open.has(other) && other.onmessage?.({ data: copy }));
      }
    }
    close(): void {
      open.delete(this);
    }
  }
  return { open, FakeChannel };
}

function createOrigin() {
  const { open, FakeChannel } = createChannels();
  vi.stubGlobal('navigator', { locks: createLocks() });
  vi.stubGlobal('BroadcastChannel', FakeChannel);
  let tabs = 0;
  // `createClient` looks for what the runtime has when it is called.
  return { open, tab: () => createRig({ share: 'manager', random: () => 0.1 + ++tabs / 100 }) };
}

/** Lets what was loaded, and what tabs say to each other, arrive. */
async function quiet(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await settled();
}

async function lead(rig: Rig): Promise<void> {
  rig.client.connect();
  await vi.waitFor(() => expect(rig.network.sockets).toHaveLength(1));
  rig.network.socket.welcome();
  rig.network.socket.authenticated();
  await quiet();
}

async function follow(rig: Rig): Promise<void> {
  rig.client.connect();
  await vi.waitFor(() => expect(rig.client.state.status).toBe('connected'));
  await quiet();
}

const refOf = (message: unknown) => (message as { ref: string }).ref;

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
    await vi.waitFor(() => expect(two.network.sockets).toHaveLength(1));
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
    await vi.waitFor(() => expect(two.client.state.status).toBe('connected'));
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
    await vi.waitFor(() => expect(two.client.state.status).toBe('connected'));
    expect(two.network.sockets).toHaveLength(0);
  });

  it('do not wait for one that holds the lock and says nothing: they connect by themselves', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    one.client.connect();
    await vi.waitFor(() => expect(one.network.sockets).toHaveLength(1));
    two.client.connect();
    await vi.waitFor(() => expect(two.clock.waiting).toContain(2_000));
    await two.clock.advance(2_000);
    await vi.waitFor(() => expect(two.network.sockets).toHaveLength(1));
    two.network.socket.welcome();
    two.network.socket.authenticated();
    expect(two.client.state.status).toBe('connected');
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
