import type { ClientMessage, SubscribeMessage } from '@belfry/shared/protocol';
import { describe, expect, it } from 'vitest';
import { settled } from './fake-clock.test-support.js';
import { createRecording, createStateRecording, event } from './recording.test-support.js';
import { createRig, type Rig } from './rig.test-support.js';

const CHANNEL = 'property:1000010001';

const refOf = (message: ClientMessage | undefined) => (message as { ref?: string } | undefined)?.ref;

/** Answers a SUBSCRIBE for one channel. */
function subscribed(rig: Rig, asked: ClientMessage | undefined, fields: Readonly<Record<string, unknown>> = {}): void {
  const { channels = [] } = asked as SubscribeMessage;
  for (const channel of channels) {
    rig.network.socket.frame({ type: 'SUBSCRIBED', channel, id: '7-0', replay: 0, ref: refOf(asked), ...fields });
  }
}

function stateFor(rig: Rig, asked: ClientMessage | undefined, id: string, count = 1): void {
  const events = Array.from({ length: count }, (_, index) => event(`7-${index + 1}`));
  rig.network.socket.frame({ type: 'STATE', channel: CHANNEL, id, events, ref: refOf(asked) });
}

/** Moves time until the client asks for something. */
async function nextAsked(rig: Rig): Promise<ClientMessage | undefined> {
  const before = rig.network.socket.sent.length;
  await rig.clock.until(() => rig.network.socket.sent.length > before);
  return rig.asked()[0];
}

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

describe('after a reconnect', () => {
  async function live(recording = createRecording()) {
    const rig = createRig();
    rig.client.subscribe(CHANNEL, recording.handlers);
    await rig.login();
    const [join, ask] = rig.asked();
    subscribed(rig, join);
    if (ask) stateFor(rig, ask, '7-0');
    rig.network.socket.frame(event('7-1'));
    recording.take();
    rig.network.socket.drop(1006);
    await rig.reconnect();
    const [again] = rig.asked();
    return { rig, recording, again };
  }

  it('the channel is asked for behind the last event, and the rest is handed over in order', async () => {
    const { rig, recording, again } = await live();
    expect(again).toMatchObject({ type: 'SUBSCRIBE', channels: [CHANNEL], after: { [CHANNEL]: '7-1' } });
    subscribed(rig, again, { id: '7-3', recovered: true, replay: 2 });
    rig.network.socket.frame(event('7-2'));
    rig.network.socket.frame(event('7-3'));
    rig.network.socket.frame(event('7-4'));
    expect(recording.take()).toEqual([
      'event 7-2 replayed',
      'event 7-3 replayed',
      'recovered 2',
      'live 7-3',
      'event 7-4',
    ]);
  });

  it('nothing missed is said to be so', async () => {
    const { rig, recording, again } = await live();
    subscribed(rig, again, { id: '7-1', recovered: true });
    expect(recording.take()).toEqual(['recovered 0', 'live 7-1']);
  });

  it('history that is gone is a gap, and a snapshot takes its place', async () => {
    const { rig, recording, again } = await live(createStateRecording());
    subscribed(rig, again, { id: '9-4', recovered: false });
    rig.network.socket.frame(event('9-4'));
    stateFor(rig, undefined, '9-4', 2);
    rig.network.socket.frame(event('9-5'));
    expect(recording.take()).toEqual([
      'gap history 7-1..9-4',
      'state 9-4 (2)',
      'not recovered',
      'live 9-4',
      'event 9-5',
    ]);
  });

  it('a replay that goes on into a new epoch is accepted: the gateway vouches for it', async () => {
    const { rig, recording, again } = await live();
    subscribed(rig, again, { id: '8-2', recovered: true, replay: 3 });
    for (const id of ['7-2', '8-1', '8-2']) rig.network.socket.frame(event(id));
    rig.network.socket.frame(event('8-3'));
    expect(recording.take().filter((line) => line.startsWith('event'))).toEqual([
      'event 7-2 replayed',
      'event 8-1 replayed',
      'event 8-2 replayed',
      'event 8-3',
    ]);
  });

  it('a replay that stops half-way is asked for again, from where it stopped', async () => {
    const { rig, recording, again } = await live();
    subscribed(rig, again, { id: '7-5', recovered: true, replay: 4 });
    rig.network.socket.frame(event('7-2'));
    await rig.clock.advance(10_050);
    const [more] = rig.asked();
    expect(more).toMatchObject({ after: { [CHANNEL]: '7-2' } });
    subscribed(rig, more, { id: '7-5', recovered: true, replay: 3 });
    for (const id of ['7-3', '7-4', '7-5']) rig.network.socket.frame(event(id));
    expect(recording.take().filter((line) => line.startsWith('event'))).toHaveLength(4);
  });

  it('a gateway that does not say whether it recovered is not believed', async () => {
    const { rig, recording, again } = await live();
    subscribed(rig, again, { id: '7-9' });
    expect(recording.take()).toEqual(['gap history 7-1..7-9', 'not recovered', 'live 7-9']);
  });

  it('events that arrive before the answer are not handed over twice, nor out of order', async () => {
    const { rig, recording, again } = await live();
    rig.network.socket.frame(event('7-3'));
    subscribed(rig, again, { id: '7-3', recovered: true, replay: 2 });
    for (const id of ['7-2', '7-3', '7-3', '7-2', '7-4']) rig.network.socket.frame(event(id));
    expect(recording.take().filter((line) => line.startsWith('event'))).toEqual([
      'event 7-2 replayed',
      'event 7-3 replayed',
      'event 7-4',
    ]);
  });
});

describe('continuity', () => {
  async function live(name = CHANNEL, recording = createRecording()) {
    const rig = createRig();
    rig.client.subscribe(name, recording.handlers);
    await rig.login();
    const [join, ask] = rig.asked();
    subscribed(rig, join);
    if (ask) stateFor(rig, ask, '7-0');
    recording.take();
    return { rig, ...recording };
  }

  it('drops what is known', async () => {
    const { rig, take } = await live();
    for (const id of ['7-1', '7-1', '7-2', '7-1', '6-99']) rig.network.socket.frame(event(id));
    expect(take()).toEqual(['event 7-1', 'event 7-2']);
  });

  it('reports a hole, hands over nothing behind it, and asks again from before it', async () => {
    const { rig, take } = await live();
    rig.network.socket.frame(event('7-1'));
    rig.network.socket.frame(event('7-3'));
    rig.network.socket.frame(event('7-4'));
    expect(take()).toEqual(['event 7-1', 'gap hole 7-1..7-3']);
    const again = await nextAsked(rig);
    expect(again).toMatchObject({ type: 'SUBSCRIBE', after: { [CHANNEL]: '7-1' } });
    subscribed(rig, again, { id: '7-4', recovered: true, replay: 3 });
    for (const id of ['7-2', '7-3', '7-4', '7-5']) rig.network.socket.frame(event(id));
    expect(take().filter((line) => line.startsWith('event'))).toEqual([
      'event 7-2 replayed',
      'event 7-3 replayed',
      'event 7-4 replayed',
      'event 7-5',
    ]);
  });

  it('asks more and more slowly while holes do not end, and for a snapshot in the end', async () => {
    const { rig, take } = await live(CHANNEL, createStateRecording());
    rig.network.socket.frame(event('7-2'));
    const waits: number[] = [];
    for (let round = 0; round < 3; round++) {
      const before = rig.clock.now();
      const again = await nextAsked(rig);
      waits.push(rig.clock.now() - before);
      expect(again).toMatchObject({ after: { [CHANNEL]: '7-0' } });
      subscribed(rig, again, { id: '7-2', recovered: true, replay: 2 });
      rig.network.socket.frame(event('7-2'));
    }
    expect(waits).toEqual([50, 2_050, 4_050]);
    const last = await nextAsked(rig);
    expect(last).toMatchObject({ after: { [CHANNEL]: '0-0' } });
    subscribed(rig, last, { id: '7-2', recovered: false });
    stateFor(rig, undefined, '7-2');
    rig.network.socket.frame(event('7-3'));
    expect(take().slice(-4)).toEqual(['state 7-2 (1)', 'not recovered', 'live 7-2', 'event 7-3']);
  });

  it('does not ask of a board, whose positions skip, and rise for each key only', async () => {
    const { rig, take } = await live('state:sources');
    for (const id of ['7-4', '7-9', '7-2']) rig.network.socket.frame(event(id, 'state:sources'));
    expect(take()).toEqual(['event 7-4', 'event 7-9', 'event 7-2']);
  });

  it('of a board is begun by its state, at first and after a reconnect, and nothing is said to be lost', async () => {
    const rig = createRig();
    const { handlers, take } = createStateRecording();
    rig.client.subscribe('state:tasks', handlers);
    await rig.login();
    const join = async (id: string) => {
      const asked = rig.asked();
      expect(asked).toMatchObject([{ type: 'SUBSCRIBE', channels: ['state:tasks'] }]);
      rig.network.socket.frame({
        type: 'SUBSCRIBED',
        channel: 'state:tasks',
        id,
        recovered: false,
        replay: 0,
        ref: refOf(asked[0]),
      });
      rig.network.socket.frame({ type: 'STATE', channel: 'state:tasks', id, events: [] });
    };
    await join('7-4');
    rig.network.socket.frame(event('7-6', 'state:tasks'));
    rig.network.socket.drop(1006);
    await rig.reconnect();
    await join('7-9');
    expect(take()).toEqual(['state 7-4 (0)', 'live 7-4', 'event 7-6', 'state 7-9 (0)', 'live 7-9']);
    const late = createStateRecording();
    rig.client.subscribe('state:tasks', late.handlers);
    await settled();
    expect(rig.asked()).toMatchObject([{ type: 'GET_STATE', channels: ['state:tasks'] }]);
  });

  it('of a board has no holes, whatever it skips', async () => {
    const { rig, log } = await live('state:tasks');
    for (const id of ['7-5', '7-3', '7-90', '9-1']) rig.network.socket.frame(event(id, 'state:tasks'));
    expect(log.filter((line) => line.startsWith('gap'))).toEqual([]);
    expect(rig.asked()).toEqual([]);
  });

  it('is asked for where another one had the channel started anew, and something happened in between', async () => {
    const { rig, log } = await live();
    rig.network.socket.frame(event('7-1'));
    rig.network.socket.frame({ type: 'SUBSCRIBED', channel: CHANNEL, id: '7-1', replay: 0, ref: 'another’s' });
    await rig.clock.advance(1_000);
    expect(rig.asked()).toEqual([]);
    // The gateway let go of the old following, 7-2 happened, and the new one begins behind it.
    rig.network.socket.frame({ type: 'SUBSCRIBED', channel: CHANNEL, id: '7-2', replay: 0, ref: 'another’s' });
    const asked = await nextAsked(rig);
    expect(asked).toMatchObject({ type: 'SUBSCRIBE', after: { [CHANNEL]: '7-1' } });
    subscribed(rig, asked, { id: '7-2', recovered: true, replay: 1 });
    rig.network.socket.frame(event('7-2'));
    rig.network.socket.frame(event('7-3'));
    expect(log.filter((line) => /event|gap/.test(line))).toEqual(['event 7-1', 'event 7-2 replayed', 'event 7-3']);
  });

  it('is asked for where another one asked for the channel in vain, and has gone: the gateway may have let go of it', async () => {
    const { rig, log } = await live();
    rig.network.socket.frame(event('7-1'));
    const leave = rig.client.subscribe(CHANNEL, { rewind: 100 });
    await settled();
    const [rewinding] = rig.asked();
    rig.network.socket.frame({
      type: 'ERROR',
      code: 'unavailable',
      message: 'the log cannot be read at the moment',
      channel: CHANNEL,
      retry_after_ms: 3_000,
      ref: refOf(rewinding),
    });
    leave();
    const beside = createRecording();
    rig.client.subscribe(CHANNEL, beside.handlers);
    await settled();
    // Who comes meanwhile asks, instead of trusting to where the first one stands.
    const [own, ...rest] = rig.asked();
    expect(own).toMatchObject({ type: 'SUBSCRIBE', channels: [CHANNEL], after: {} });
    expect(rest).toEqual([]);
    subscribed(rig, own, { id: '7-2' });
    await rig.clock.advance(2_999);
    expect(rig.asked()).toEqual([]);
    const again = await nextAsked(rig);
    expect(again).toMatchObject({ type: 'SUBSCRIBE', after: { [CHANNEL]: '7-1' } });
    subscribed(rig, again, { id: '7-2', recovered: true, replay: 1 });
    rig.network.socket.frame(event('7-2'));
    rig.network.socket.frame(event('7-3'));
    expect(log.filter((line) => /event|gap|error/.test(line))).toEqual([
      'event 7-1',
      'event 7-2 replayed',
      'event 7-3',
    ]);
    expect(beside.log).toEqual(['live 7-2', 'event 7-3']);
    await rig.clock.advance(20_000);
    expect(rig.asked()).toEqual([]);
    expect(rig.errors).toEqual([]);
  });

  it('is not doubted where another channel is not to be had, nor where another one was refused for good or for now', async () => {
    const { rig, take } = await live();
    for (const fields of [
      { code: 'unavailable', channel: 'global' },
      { code: 'unavailable' },
      { code: 'rate_limited', channel: CHANNEL },
      { code: 'forbidden', channel: CHANNEL },
    ]) {
      rig.network.socket.frame({ type: 'ERROR', message: 'no', ref: 'another’s', ...fields });
    }
    await rig.clock.advance(20_000);
    expect(rig.asked()).toEqual([]);
    rig.network.socket.frame(event('7-1'));
    expect(take()).toEqual(['event 7-1']);
  });

  it('lost on the server’s side is a gap, and the snapshot goes on from there', async () => {
    const { rig, take } = await live(CHANNEL, createStateRecording());
    rig.network.socket.frame(event('7-1'));
    rig.network.socket.frame({ type: 'RESYNC', channel: CHANNEL, id: '8-2' });
    stateFor(rig, undefined, '8-2');
    rig.network.socket.frame(event('8-3'));
    expect(take()).toEqual([
      'event 7-1',
      'gap resync 7-1..8-2',
      'state 8-2 (1)',
      'not recovered',
      'live 8-2',
      'event 8-3',
    ]);
  });

  it('is not trusted to a RESYNC without its STATE: the channel is asked for again', async () => {
    const { rig } = await live();
    rig.network.socket.frame(event('7-1'));
    rig.network.socket.frame({ type: 'RESYNC', channel: CHANNEL, id: '8-2' });
    await rig.clock.advance(10_050);
    expect(rig.asked()).toMatchObject([{ type: 'SUBSCRIBE', after: { [CHANNEL]: '7-1' } }]);
  });

  it('ignores snapshots that nobody waits for', async () => {
    const { rig, take } = await live(CHANNEL, createStateRecording());
    stateFor(rig, undefined, '7-9');
    stateFor(rig, { type: 'GET_STATE', ref: 'somebody else' }, '7-9');
    rig.network.socket.frame(event('7-1'));
    expect(take()).toEqual(['event 7-1']);
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
