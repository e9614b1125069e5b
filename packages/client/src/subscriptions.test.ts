import type { ClientMessage, SubscribeMessage } from '@belfry/shared/protocol';
import { describe, expect, it } from 'vitest';
import { settled } from './fake-clock.test-support.js';
import { createRecording, createStateRecording, event } from './recording.test-support.js';
import { createRig, type Rig } from './rig.test-support.js';
import { CHANNEL, nextAsked, refOf, stateFor, subscribed } from './subscribing.test-support.js';

describe('subscribing', () => {
  it('takes a property’s id or a channel’s name, and nothing else', async () => {
    const rig = createRig();
    rig.client.subscribe('1000010001', {});
    rig.client.subscribe('property:1000010002', {});
    rig.client.subscribe('global', {});
    for (const name of ['', ':', 'property:', 'a b', 'property:x y', '__proto__:a', `property:${'1'.repeat(65)}`]) {
      expect(() => rig.client.subscribe(name, {}), name).toThrow(TypeError);
    }
    await rig.login();
    expect(rig.asked()).toMatchObject([
      {
        type: 'SUBSCRIBE',
        channels: ['property:1000010001', 'property:1000010002', 'global'],
      },
    ]);
  });

  it('together goes in one frame, and apart in one each', async () => {
    const rig = createRig();
    await rig.login();
    for (let lot = 1; lot <= 50; lot++) rig.client.subscribe(`10000100${lot + 10}`, {});
    await settled();
    rig.client.subscribe('global', {});
    await settled();
    expect(rig.asked().map((message) => (message as SubscribeMessage).channels?.length)).toEqual([50, 1]);
  });

  it('to 2,000 channels with positions stays under 16 KB a frame, and costs one message a frame', async () => {
    const items = new Map<string, string>();
    for (let lot = 0; lot < 2_000; lot++) items.set(`belfry:property:${1_000_000_000 + lot}`, `1700000000000-${lot}`);
    const storage = { getItem: (key: string) => items.get(key) ?? null, setItem: () => undefined };
    const rig = createRig({ storage });
    for (let lot = 0; lot < 2_000; lot++) rig.client.subscribe(String(1_000_000_000 + lot), {});
    await rig.login();
    const asked = rig.asked() as SubscribeMessage[];
    // The gateway counts every fifty channels as a message.
    expect(asked.map(({ channels }) => channels?.length)).toEqual(Array.from({ length: 40 }, () => 50));
    for (const message of asked) expect(JSON.stringify(message).length).toBeLessThan(16_000);
    expect(new Set(asked.flatMap(({ channels }) => channels)).size).toBe(2_000);
    expect(Object.assign({}, ...asked.map(({ after }) => after))).toEqual(
      Object.fromEntries([...items].map(([key, id]) => [key.replace('belfry:', ''), id])),
    );
  });

  it('twice to a channel asks once, and leaves it with the last subscriber', async () => {
    const rig = createRig();
    const one = createRecording();
    const two = createRecording();
    const first = rig.client.subscribe(CHANNEL, one.handlers);
    const second = rig.client.subscribe(CHANNEL, two.handlers);
    await rig.login();
    const [asked, ...rest] = rig.asked();
    expect(rest).toEqual([]);
    subscribed(rig, asked);
    rig.network.socket.frame(event('7-1'));
    first();
    first();
    await settled();
    expect(rig.asked()).toEqual([]);
    rig.network.socket.frame(event('7-2'));
    second();
    await settled();
    expect(rig.asked()).toMatchObject([{ type: 'UNSUBSCRIBE', channels: [CHANNEL] }]);
    rig.network.socket.frame(event('7-3'));
    expect(one.log).toEqual(['live 7-0', 'event 7-1']);
    expect(two.log).toEqual(['live 7-0', 'event 7-1', 'event 7-2']);
  });

  it('and leaving in the same turn, as React does in development, asks nothing', async () => {
    const rig = createRig();
    await rig.login();
    rig.client.subscribe(CHANNEL, {})();
    const leave = rig.client.subscribe(CHANNEL, {});
    leave();
    await settled();
    expect(rig.asked()).toEqual([]);
    rig.client.subscribe(CHANNEL, {})();
    rig.client.subscribe(CHANNEL, {});
    await settled();
    expect(rig.asked()).toHaveLength(1);
  });

  it('beside somebody who is live joins without asking', async () => {
    const rig = createRig();
    rig.client.subscribe(CHANNEL, {});
    await rig.login();
    subscribed(rig, rig.asked()[0]);
    rig.network.socket.frame(event('7-1'));
    const late = createRecording();
    rig.client.subscribe(CHANNEL, late.handlers);
    await settled();
    expect(rig.asked()).toEqual([]);
    rig.network.socket.frame(event('7-2'));
    expect(late.log).toEqual(['live 7-1', 'event 7-2']);
  });

  it('that is not answered is asked again', async () => {
    const rig = createRig();
    const { handlers, log } = createRecording();
    rig.client.subscribe(CHANNEL, handlers);
    await rig.login();
    const [asked] = rig.asked();
    await rig.clock.advance(9_999);
    expect(rig.asked()).toEqual([]);
    const again = await nextAsked(rig);
    expect(again).toMatchObject({ type: 'SUBSCRIBE', channels: [CHANNEL] });
    subscribed(rig, asked);
    expect(log).toEqual([]);
    subscribed(rig, again);
    expect(log).toEqual(['live 7-0']);
    await rig.clock.advance(20_000);
    expect(rig.asked()).toEqual([]);
  });
});

describe('a rewind', () => {
  it('begins with the last events, and resumes like everybody afterwards', async () => {
    const rig = createRig();
    const { handlers, take } = createRecording({ rewind: 2 });
    rig.client.subscribe(CHANNEL, handlers);
    rig.client.subscribe('global', {});
    await rig.login();
    const [first, second] = rig.asked();
    expect(first).toMatchObject({ channels: [CHANNEL], rewind: 2 });
    expect(second).toMatchObject({ channels: ['global'] });
    expect(second).not.toHaveProperty('rewind');
    subscribed(rig, first, { id: '7-9', recovered: true, replay: 2 });
    for (const id of ['7-8', '7-9', '7-10']) rig.network.socket.frame(event(id));
    expect(take()).toEqual(['event 7-8 replayed', 'event 7-9 replayed', 'live 7-9', 'event 7-10']);
    rig.network.socket.drop(1006);
    await rig.reconnect();
    expect(rig.asked()).toContainEqual(
      expect.objectContaining({ after: expect.objectContaining({ [CHANNEL]: '7-10' }) }),
    );
  });

  it('of somebody who comes later disturbs nobody', async () => {
    const rig = createRig();
    const early = createRecording();
    rig.client.subscribe(CHANNEL, early.handlers);
    await rig.login();
    subscribed(rig, rig.asked()[0], { id: '7-9' });
    const late = createRecording({ rewind: 2 });
    rig.client.subscribe(CHANNEL, late.handlers);
    await settled();
    subscribed(rig, rig.asked()[0], { id: '7-9', recovered: true, replay: 2 });
    for (const id of ['7-8', '7-9', '7-10']) rig.network.socket.frame(event(id));
    expect(early.log).toEqual(['live 7-9', 'event 7-10']);
    expect(late.log).toEqual(['event 7-8 replayed', 'event 7-9 replayed', 'live 7-9', 'event 7-10']);
  });
});

describe('a refusal', () => {
  const refuse = (rig: Rig, asked: ClientMessage | undefined, fields: Readonly<Record<string, unknown>>) =>
    rig.network.socket.frame({ type: 'ERROR', message: 'no', ref: refOf(asked), ...fields });

  it('of one channel is told to its subscribers, and leaves the others as they are', async () => {
    const rig = createRig();
    const mine = createRecording();
    const other = createStateRecording();
    rig.client.subscribe(CHANNEL, mine.handlers);
    rig.client.subscribe('global', other.handlers);
    await rig.login();
    const [asked] = rig.asked();
    refuse(rig, asked, { code: 'forbidden', channel: 'global' });
    rig.network.socket.frame({ type: 'SUBSCRIBED', channel: CHANNEL, id: '7-0', replay: 0, ref: refOf(asked) });
    expect(mine.log).toEqual(['live 7-0']);
    expect(other.log).toEqual(['error forbidden']);
    expect(rig.errors).toEqual(['forbidden: no']);
    await rig.clock.advance(20_000);
    expect(rig.asked()).toEqual([]);
  });

  it('that passes by itself is tried again after the delay that the gateway names', async () => {
    const rig = createRig();
    rig.client.subscribe(CHANNEL, {});
    await rig.login();
    refuse(rig, rig.asked()[0], { code: 'unavailable', channel: CHANNEL, retry_after_ms: 3_000 });
    await rig.clock.advance(2_999);
    expect(rig.asked()).toEqual([]);
    await rig.clock.advance(1_000);
    expect(rig.asked()).toHaveLength(1);
  });

  it('of the whole frame, over the rate limit, concerns every channel in it', async () => {
    const rig = createRig();
    rig.client.subscribe(CHANNEL, {});
    rig.client.subscribe('global', {});
    await rig.login();
    refuse(rig, rig.asked()[0], { code: 'rate_limited', retry_after_ms: 3_000 });
    await rig.clock.advance(4_000);
    expect(rig.asked()).toMatchObject([{ channels: [CHANNEL, 'global'] }]);
  });

  it('is tried again with the next token', async () => {
    const rig = createRig();
    rig.client.subscribe('global', {});
    await rig.login();
    refuse(rig, rig.asked()[0], { code: 'forbidden', channel: 'global' });
    rig.network.socket.authenticated({ role: 'ADMIN' });
    await settled();
    expect(rig.asked()).toMatchObject([{ type: 'SUBSCRIBE', channels: ['global'] }]);
  });

  it('after the fact, as with a narrower token, is told too', async () => {
    const rig = createRig();
    const { handlers, log } = createRecording();
    rig.client.subscribe(CHANNEL, handlers);
    await rig.login();
    subscribed(rig, rig.asked()[0]);
    rig.network.socket.frame({ type: 'UNSUBSCRIBED', channel: CHANNEL, reason: 'forbidden' });
    rig.network.socket.frame(event('7-1'));
    expect(log).toEqual(['live 7-0', 'error unsubscribed']);
  });

  it('is told to whoever subscribes anew while others are being told of it, too: nobody is live without the channel', async () => {
    const rig = createRig();
    const again = createRecording();
    rig.client.subscribe(CHANNEL, { onError: () => rig.client.subscribe(CHANNEL, again.handlers) });
    rig.client.subscribe(CHANNEL, {});
    await rig.login();
    subscribed(rig, rig.asked()[0]);
    rig.network.socket.frame({ type: 'UNSUBSCRIBED', channel: CHANNEL, reason: 'forbidden' });
    await settled();
    const [asked] = rig.asked();
    expect(asked).toMatchObject({ type: 'SUBSCRIBE', channels: [CHANNEL] });
    refuse(rig, asked, { code: 'forbidden', channel: CHANNEL });
    expect(again.log).toEqual(['error forbidden']);
  });

  it('that the next token ends does not cost the snapshot, which comes before the events as ever', async () => {
    const rig = createRig();
    const { handlers, log } = createStateRecording();
    rig.client.subscribe(CHANNEL, handlers);
    await rig.login();
    refuse(rig, rig.asked()[0], { code: 'forbidden', channel: CHANNEL });
    rig.network.socket.authenticated({ role: 'ADMIN' });
    await settled();
    const [join, ask] = rig.asked();
    expect(ask).toMatchObject({ type: 'GET_STATE', channels: [CHANNEL] });
    subscribed(rig, join);
    rig.network.socket.frame(event('7-1'));
    stateFor(rig, ask, '7-1');
    expect(log).toEqual(['error forbidden', 'state 7-1 (1)', 'live 7-0', 'event 7-1 covered']);
  });

  it('of the snapshot does not keep the events back for ever', async () => {
    const rig = createRig();
    const { handlers, log } = createStateRecording();
    rig.client.subscribe(CHANNEL, handlers);
    await rig.login();
    const [join, ask] = rig.asked();
    subscribed(rig, join);
    refuse(rig, ask, { code: 'unavailable', channel: CHANNEL, retry_after_ms: 1_000 });
    rig.network.socket.frame(event('7-1'));
    expect(log).toEqual([]);
    await rig.clock.advance(2_000);
    stateFor(rig, rig.asked()[0], '7-1');
    expect(log).toEqual(['state 7-1 (1)', 'live 7-0', 'event 7-1 covered']);
  });
});

describe('handlers', () => {
  it('that throw are errors, and stop nothing', async () => {
    const rig = createRig();
    const { handlers, log } = createRecording();
    const failing = () => {
      throw new Error('broken');
    };
    rig.client.subscribe(CHANNEL, { onEvent: failing, onLive: failing, onGap: failing });
    rig.client.subscribe(CHANNEL, handlers);
    await rig.login();
    subscribed(rig, rig.asked()[0]);
    rig.network.socket.frame(event('7-1'));
    rig.network.socket.frame(event('7-3'));
    expect(log).toEqual(['live 7-0', 'event 7-1', 'gap hole 7-1..7-3']);
    expect(rig.errors).toEqual(Array(3).fill('handler: broken'));
  });

  it('may leave while they run, and hear nothing any more', async () => {
    const rig = createRig();
    const log: string[] = [];
    const leave = rig.client.subscribe(CHANNEL, {
      onEvent: ({ id }) => {
        log.push(id);
        leave();
      },
    });
    await rig.login();
    subscribed(rig, rig.asked()[0]);
    rig.network.socket.frame(event('7-1'));
    rig.network.socket.frame(event('7-2'));
    expect(log).toEqual(['7-1']);
  });

  it('of the client hear of every event and gap, whoever subscribed', async () => {
    const rig = createRig();
    const seen: string[] = [];
    rig.client.on('event', ({ id, channel }) => seen.push(`${channel} ${id}`));
    rig.client.on('gap', ({ cause }) => seen.push(cause));
    rig.client.subscribe(CHANNEL, {});
    await rig.login();
    subscribed(rig, rig.asked()[0]);
    rig.network.socket.frame(event('3-1', 'user:manager'));
    rig.network.socket.frame(event('7-2'));
    expect(seen).toEqual(['user:manager 3-1', `${CHANNEL} 7-2`, 'hole']);
  });
});
