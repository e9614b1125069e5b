import { describe, expect, it } from 'vitest';
import { settled } from './fake-clock.test-support.js';
import { createRecording, createStateRecording, event } from './recording.test-support.js';
import { createRig } from './rig.test-support.js';
import { CHANNEL, nextAsked, refOf, stateFor, subscribed } from './subscribing.test-support.js';

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

  it('a replay that another subscriber’s request cut short in a new epoch is asked for again: nothing else shows what is missing', async () => {
    const { rig, recording, again } = await live();
    subscribed(rig, again, { id: '7-9', recovered: true, replay: 8 });
    rig.network.socket.frame(event('7-2'));
    rig.client.subscribe(CHANNEL, createRecording({ rewind: 1 }).handlers);
    await settled();
    subscribed(rig, rig.asked()[0], { id: '8-0', recovered: true });
    rig.network.socket.frame(event('8-1'));
    const more = await nextAsked(rig);
    expect(more).toMatchObject({ after: { [CHANNEL]: '7-2' } });
    subscribed(rig, more, { id: '8-1', recovered: false });
    expect(recording.take()).toEqual(['event 7-2 replayed', 'gap history 7-2..8-1']);
  });

  it('a replay goes on beside another subscriber’s request in the same epoch, rather than begin anew for each', async () => {
    const { rig, recording, again } = await live();
    subscribed(rig, again, { id: '7-3', recovered: true, replay: 2 });
    rig.network.socket.frame(event('7-2'));
    rig.client.subscribe(CHANNEL, createRecording({ rewind: 1 }).handlers);
    await settled();
    subscribed(rig, rig.asked()[0], { id: '7-4', recovered: true, replay: 1 });
    for (const id of ['7-3', '7-4']) rig.network.socket.frame(event(id));
    expect(recording.take()).toEqual([
      'event 7-2 replayed',
      'event 7-3 replayed',
      'recovered 2',
      'live 7-3',
      'event 7-4',
    ]);
    expect(rig.asked()).toEqual([]);
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

  it('lost on the server’s side is nothing to begin with, for whoever subscribes anew while others are told of it', async () => {
    const again = createRecording();
    const { rig } = await live(
      CHANNEL,
      createRecording({ onGap: () => rig.client.subscribe(CHANNEL, again.handlers) }),
    );
    rig.client.subscribe(CHANNEL, {});
    await settled();
    rig.network.socket.frame({ type: 'RESYNC', channel: CHANNEL, id: '8-0' });
    rig.network.socket.frame({ type: 'STATE', channel: CHANNEL, id: '8-0', events: [] });
    rig.network.socket.frame(event('8-1'));
    expect(again.log).toEqual([]);
    await settled();
    const [asked] = rig.asked();
    subscribed(rig, asked, { id: '8-1' });
    rig.network.socket.frame(event('8-2'));
    expect(again.log).toEqual(['live 8-1', 'event 8-2']);
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
