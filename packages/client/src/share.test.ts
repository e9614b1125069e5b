import { afterEach, describe, expect, it, vi } from 'vitest';
import { createOrigin } from './origin.test-support.js';
import { createRecording, event } from './recording.test-support.js';
import { createRig } from './rig.test-support.js';
import { CHANNEL, follow, lead, quiet, record, refOf } from './sharing.test-support.js';

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

  it('ask for nothing before the connected one would notice that they crash', async () => {
    const { tab } = createOrigin();
    const [one, two] = [tab(), tab()];
    await lead(one);
    two.stall();
    two.client.subscribe(CHANNEL, {});
    await follow(two);
    expect(one.asked()).toEqual([]);
    two.hasten();
    await quiet();
    expect(one.asked()).toMatchObject([{ type: 'SUBSCRIBE', channels: [CHANNEL] }]);
    two.crash();
    await quiet();
    expect(one.asked()).toMatchObject([{ type: 'UNSUBSCRIBE', channels: [CHANNEL] }]);
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
