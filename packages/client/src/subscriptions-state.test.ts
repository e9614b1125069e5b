import { describe, expect, it } from 'vitest';
import { settled } from './fake-clock.test-support.js';
import { createRecording, createStateRecording, event } from './recording.test-support.js';
import { createRig } from './rig.test-support.js';
import { CHANNEL, nextAsked, stateFor, subscribed } from './subscribing.test-support.js';

describe('a snapshot', () => {
  it('is asked for by whoever handles one, behind the SUBSCRIBE, for all channels in one frame', async () => {
    const rig = createRig();
    for (let lot = 1; lot <= 9; lot++) rig.client.subscribe(`100001000${lot}`, { onState: () => undefined });
    await rig.login();
    expect(rig.asked()).toMatchObject([
      { type: 'SUBSCRIBE', channels: { length: 9 } },
      { type: 'GET_STATE', channels: { length: 9 } },
    ]);
  });

  it('comes first; the events behind the join follow, marked where it covers them', async () => {
    const rig = createRig();
    const { handlers, log } = createStateRecording();
    rig.client.subscribe(CHANNEL, handlers);
    await rig.login();
    const [join, ask] = rig.asked();
    subscribed(rig, join, { id: '7-5' });
    rig.network.socket.frame(event('7-6'));
    rig.network.socket.frame(event('7-7'));
    expect(log).toEqual([]);
    stateFor(rig, ask, '7-6', 3);
    expect(log).toEqual(['state 7-6 (3)', 'live 7-5', 'event 7-6 covered', 'event 7-7']);
  });

  it('comes behind the gap that it is for, also where it is the first one', async () => {
    const rig = createRig();
    const { handlers, log } = createStateRecording({ after: '7-1' });
    rig.client.subscribe(CHANNEL, handlers);
    await rig.login();
    const [join, ask] = rig.asked();
    subscribed(rig, join, { id: '7-9', recovered: false });
    stateFor(rig, undefined, '7-9', 3);
    stateFor(rig, ask, '7-9', 3);
    rig.network.socket.frame(event('7-10'));
    expect(log).toEqual(['gap history 7-1..7-9', 'state 7-9 (3)', 'not recovered', 'live 7-9', 'event 7-10']);
  });

  it('replaces the one before it also where Redis has lost what that one had', async () => {
    const rig = createRig();
    const { handlers, log } = createStateRecording();
    rig.client.subscribe(CHANNEL, handlers);
    await rig.login();
    const [join, ask] = rig.asked();
    subscribed(rig, join, { id: '7-9' });
    stateFor(rig, ask, '7-9', 3);
    rig.network.socket.frame({ type: 'RESYNC', channel: CHANNEL, id: '7-5' });
    stateFor(rig, undefined, '7-5', 2);
    rig.network.socket.frame(event('8-0'));
    const end = ['gap resync 7-9..7-5', 'state 7-5 (2)', 'not recovered', 'live 7-5', 'event 8-0'];
    expect(log).toEqual(['state 7-9 (3)', 'live 7-9', ...end]);
  });

  it('older than the join is of no use, and asked for again', async () => {
    const rig = createRig();
    const { handlers, log } = createStateRecording();
    rig.client.subscribe(CHANNEL, handlers);
    await rig.login();
    const [join, ask] = rig.asked();
    subscribed(rig, join, { id: '7-5' });
    stateFor(rig, ask, '7-4');
    expect(log).toEqual([]);
    const again = await nextAsked(rig);
    expect(again).toMatchObject({ type: 'GET_STATE', channels: [CHANNEL] });
    stateFor(rig, again, '7-5');
    expect(log).toEqual(['state 7-5 (1)', 'live 7-5']);
  });

  it('that never comes is asked for again', async () => {
    const rig = createRig();
    const { handlers, log } = createStateRecording();
    rig.client.subscribe(CHANNEL, handlers);
    await rig.login();
    subscribed(rig, rig.asked()[0]);
    await rig.clock.advance(10_050);
    const [again, ...rest] = rig.asked();
    expect(rest).toEqual([]);
    expect(again).toMatchObject({ type: 'GET_STATE' });
    stateFor(rig, again, '7-0');
    expect(log).toEqual(['state 7-0 (1)', 'live 7-0']);
  });

  it('for somebody who comes later is theirs alone', async () => {
    const rig = createRig();
    const early = createStateRecording();
    rig.client.subscribe(CHANNEL, early.handlers);
    await rig.login();
    const [join, ask] = rig.asked();
    subscribed(rig, join);
    stateFor(rig, ask, '7-0');
    early.take();
    const late = createStateRecording();
    rig.client.subscribe(CHANNEL, late.handlers);
    await settled();
    const [own, ...rest] = rig.asked();
    expect(rest).toEqual([]);
    expect(own).toMatchObject({ type: 'GET_STATE', channels: [CHANNEL] });
    rig.network.socket.frame(event('7-1'));
    stateFor(rig, own, '7-1', 2);
    expect(early.take()).toEqual(['event 7-1']);
    expect(late.take()).toEqual(['state 7-1 (2)', 'live 7-0', 'event 7-1 covered']);
  });
});

describe('positions across a reload', () => {
  const createStorage = () => {
    const items = new Map<string, string>();
    return {
      items,
      getItem: (key: string) => items.get(key) ?? null,
      setItem: (key: string, value: string) => void items.set(key, value),
    };
  };

  it('let the page go on behind the last event whose handler ran', async () => {
    const storage = createStorage();
    const before = createRig({ storage });
    let finish = (): void => undefined;
    before.client.subscribe(CHANNEL, {
      onEvent: ({ id }) =>
        id === '7-2' &&
        new Promise<void>((resolve) => {
          finish = resolve;
        }),
    });
    await before.login();
    subscribed(before, before.asked()[0]);
    for (const id of ['7-1', '7-2', '7-3']) before.network.socket.frame(event(id));
    await before.clock.advance(1_000);
    expect(storage.items.get(`belfry:${CHANNEL}`)).toBe('7-1');
    finish();
    await before.clock.advance(1_000);
    expect(storage.items.get(`belfry:${CHANNEL}`)).toBe('7-3');

    storage.items.set(`belfry:${CHANNEL}`, '7-1');
    const after = createRig({ storage });
    const { handlers, log } = createRecording();
    after.client.subscribe(CHANNEL, handlers);
    await after.login();
    const [asked] = after.asked();
    expect(asked).toMatchObject({ after: { [CHANNEL]: '7-1' } });
    subscribed(after, asked, { id: '7-3', recovered: true, replay: 2 });
    for (const id of ['7-2', '7-3']) after.network.socket.frame(event(id));
    expect(log).toEqual(['event 7-2 replayed', 'event 7-3 replayed', 'recovered 2', 'live 7-3']);
  });

  it('are known of a channel that was quiet too, so that the first event missed is not missed', async () => {
    const storage = createStorage();
    const rig = createRig({ storage });
    rig.client.subscribe(CHANNEL, {});
    await rig.login();
    subscribed(rig, rig.asked()[0], { id: '7-42' });
    rig.client.dispose();
    expect(storage.items.get(`belfry:${CHANNEL}`)).toBe('7-42');
  });

  it('are those of the slowest subscriber', async () => {
    const storage = createStorage();
    const rig = createRig({ storage });
    rig.client.subscribe(CHANNEL, {});
    rig.client.subscribe(CHANNEL, { onEvent: () => new Promise(() => undefined) });
    await rig.login();
    subscribed(rig, rig.asked()[0]);
    for (const id of ['7-1', '7-2']) rig.network.socket.frame(event(id));
    await rig.clock.advance(1_000);
    expect(storage.items.get(`belfry:${CHANNEL}`)).toBe('7-0');
  });

  it('bring what was missed and the present: the snapshot first, what it covers marked', async () => {
    const storage = createStorage();
    storage.items.set(`belfry:${CHANNEL}`, '7-1');
    const rig = createRig({ storage });
    const { handlers, log } = createStateRecording();
    rig.client.subscribe(CHANNEL, handlers);
    await rig.login();
    const [join, ask] = rig.asked();
    subscribed(rig, join, { id: '7-3', recovered: true, replay: 2 });
    for (const id of ['7-2', '7-3']) rig.network.socket.frame(event(id));
    stateFor(rig, ask, '7-3', 2);
    rig.network.socket.frame(event('7-4'));
    expect(log).toEqual([
      'state 7-3 (2)',
      'event 7-2 replayed covered',
      'event 7-3 replayed covered',
      'recovered 2',
      'live 7-3',
      'event 7-4',
    ]);
  });

  it('that are nonsense are as good as none', async () => {
    const storage = createStorage();
    storage.items.set(`belfry:${CHANNEL}`, '"7-1"');
    const rig = createRig({ storage });
    rig.client.subscribe(CHANNEL, {});
    await rig.login();
    expect(rig.asked()[0]).toMatchObject({ after: {} });
  });
});
