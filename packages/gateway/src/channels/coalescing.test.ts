/** Events wait for others only behind a turn that delivered much, and then not for long; their order stays. */
import { createVirtualClock } from '@belfry/shared/log/memory';
import { describe, expect, it } from 'vitest';
import { createCoalescing, type Receiver } from './coalescing.js';

function createStage(largeTurn = 1_000, sockets = 0) {
  const clock = createVirtualClock();
  const got: string[] = [];
  const turns: (() => void)[] = [];
  const waits: { ms: number; events: number }[] = [];
  const coalescing = createCoalescing<Receiver>(clock, ({ followers }, frame) => got.push(`${frame} to ${followers}`), {
    largeTurn,
    sockets: () => sockets,
    turnOver: (run) => turns.push(run),
    steadyMs: clock.now,
    onWaited: (ms, events) => waits.push({ ms, events }),
  });
  return {
    clock,
    got,
    /** What was told of them. */
    waits,
    /** An event for so many followers. */
    receive: (text: string, followers = 1) => coalescing.receive({ followers }, Buffer.from(text)),
    /** What was passed on, without to whom. */
    get events() {
      return got.map((line) => line.split(' ')[0]);
    },
    endTurn() {
      for (const run of turns.splice(0)) run();
    },
    close: coalescing.close,
  };
}

describe('events', () => {
  it('are passed on at once as long as little is delivered', async () => {
    const stage = createStage();
    for (let n = 0; n < 5; n += 1) {
      stage.receive(`${n}`, 900);
      stage.endTurn();
      stage.receive(`behind ${n}`);
      expect(stage.events).toHaveLength(2 * (n + 1));
      await stage.clock.advance(2);
    }
  });

  it('that follow each other without a pause count as of one turn', async () => {
    const stage = createStage();
    stage.receive('a', 900);
    await stage.clock.advance(1);
    stage.receive('b', 100);
    stage.endTurn();
    stage.receive('c');
    expect(stage.events).toEqual(['a', 'b']);
    await stage.clock.advance(2);
    expect(stage.events).toEqual(['a', 'b', 'c']);
  });

  it('of a turn that delivers much are passed on at once, and those behind it together, in order', async () => {
    const stage = createStage();
    for (const text of ['a', 'b', 'c']) stage.receive(text, 500);
    expect(stage.events).toEqual(['a', 'b', 'c']);
    stage.endTurn();
    stage.receive('d', 1);
    stage.receive('e', 2);
    stage.endTurn();
    stage.receive('f', 3);
    expect(stage.events).toEqual(['a', 'b', 'c']);
    await stage.clock.advance(2);
    expect(stage.events).toEqual(['a', 'b', 'c', 'd', 'e', 'f']);
    expect(stage.got.slice(3)).toEqual(['d to 1', 'e to 2', 'f to 3']);
    stage.endTurn();
    stage.receive('g');
    expect(stage.events.at(-1)).toBe('g');
  });

  it('do not wait behind a turn with fewer deliveries than there are sockets: hardly any would get two at once', () => {
    const few = createStage(1_000, 1_501);
    const enough = createStage(1_000, 1_500);
    for (const stage of [few, enough]) {
      for (const text of ['a', 'b', 'c']) stage.receive(text, 500);
      stage.endTurn();
      stage.receive('d');
    }
    expect(few.events).toEqual(['a', 'b', 'c', 'd']);
    expect(enough.events).toEqual(['a', 'b', 'c']);
  });

  it('that waited are passed on receiver by receiver, each in its order', async () => {
    const clock = createVirtualClock();
    const got: string[] = [];
    const turns: (() => void)[] = [];
    const coalescing = createCoalescing<Receiver & { readonly name: string }>(
      clock,
      ({ name }, frame) => got.push(`${name}${frame}`),
      { largeTurn: 1, turnOver: (run) => turns.push(run), steadyMs: clock.now },
    );
    const [a, b, c] = ['a', 'b', 'c'].map((name) => ({ name, followers: 1 })) as [never, never, never];
    for (let round = 0; round < 2; round += 1) {
      coalescing.receive(a, Buffer.from('0'));
      for (const run of turns.splice(0)) run();
      for (const [n, receiver] of [a, b, a, c, b, a].entries()) coalescing.receive(receiver, Buffer.from(`${n}`));
      await clock.advance(2);
      expect(got.splice(0)).toEqual(['a0', 'a0', 'a2', 'a5', 'b1', 'b4', 'c3']);
    }
  });

  it('wait while many come, a third of what the turn took at most, and never longer than twenty milliseconds', async () => {
    for (const [took, waits] of [
      [30, 10],
      [600, 20],
    ] as const) {
      const stage = createStage();
      stage.receive('large', 1_200);
      await stage.clock.advance(took);
      stage.endTurn();
      for (let ms = 0; ms < waits; ms += 1) {
        stage.receive(`${ms}`, 100);
        expect(stage.events).toEqual(['large']);
        await stage.clock.advance(1);
      }
      expect(stage.events).toHaveLength(1 + waits);
    }
  });

  it('do not wait for others that come no faster than twice as fast as they are passed on', async () => {
    for (const [followers, passedOn] of [
      [80, 2],
      [81, 0],
    ] as const) {
      const stage = createStage();
      stage.receive('large', 1_200);
      await stage.clock.advance(30);
      stage.endTurn();
      for (const text of ['a', 'b']) {
        stage.receive(text, followers);
        await stage.clock.advance(1);
      }
      expect(stage.events).toHaveLength(1 + passedOn);
    }
  });

  it('do not wait when no more come', async () => {
    const stage = createStage();
    stage.receive('large', 1_000);
    await stage.clock.advance(600);
    stage.endTurn();
    stage.receive('next');
    await stage.clock.advance(1);
    expect(stage.events).toEqual(['large']);
    await stage.clock.advance(1);
    expect(stage.events).toEqual(['large', 'next']);
    stage.endTurn();
    stage.receive('directly');
    expect(stage.events.at(-1)).toBe('directly');
  });

  it('do not wait for more when there are enough of them', () => {
    const stage = createStage();
    stage.receive('large', 1_000);
    stage.endTurn();
    for (let n = 0; n < 5; n += 1) stage.receive(`${n}`, 125_000);
    expect(stage.events).toEqual(['large']);
    stage.endTurn();
    expect(stage.events).toEqual(['large', '0', '1', '2', '3', '4']);
  });

  it('come once, though they were enough just when their time was over', async () => {
    const stage = createStage();
    stage.receive('large', 1_000);
    stage.endTurn();
    stage.receive('many', 500_000);
    await stage.clock.advance(2);
    expect(stage.events).toEqual(['large', 'many']);
    stage.receive('direct');
    stage.endTurn();
    stage.receive('waits');
    stage.endTurn();
    expect(stage.events).toEqual(['large', 'many', 'direct']);
    await stage.clock.advance(20);
    expect(stage.events).toEqual(['large', 'many', 'direct', 'waits']);
  });

  it('keep their bytes while they wait, whatever becomes of the memory that they came in', async () => {
    const clock = createVirtualClock();
    const got: string[] = [];
    const { receive } = createCoalescing<Receiver>(clock, (_, frame) => got.push(frame.toString()), {
      largeTurn: 1,
      turnOver: (run) => run(),
    });
    const memory = Buffer.from('one');
    receive({ followers: 1 }, memory);
    memory.write('two');
    receive({ followers: 1 }, memory);
    memory.write('xxx');
    await clock.advance(2);
    expect(got).toEqual(['one', 'two']);
  });

  it('of one wait are not mixed up with those of the wait before it', async () => {
    const stage = createStage(1);
    stage.receive('large');
    for (const batch of [['a', 'b', 'c'], ['d'], ['e', 'f']]) {
      stage.endTurn();
      for (const text of batch) stage.receive(text);
      await stage.clock.advance(2);
    }
    expect(stage.events).toEqual(['large', 'a', 'b', 'c', 'd', 'e', 'f']);
  });

  it('are not passed on any more after the end', async () => {
    const stage = createStage();
    stage.receive('large', 1_000);
    stage.endTurn();
    stage.receive('waits', 500_000);
    stage.close();
    stage.endTurn();
    stage.receive('after');
    await stage.clock.advance(50);
    expect(stage.events).toEqual(['large']);
    expect(stage.waits).toEqual([]);
  });
});

describe('how long events waited', () => {
  it('is told once for all that waited together, from when the first of them came', async () => {
    const stage = createStage();
    stage.receive('large', 1_000);
    await stage.clock.advance(30);
    stage.endTurn();
    await stage.clock.advance(1);
    for (const text of ['a', 'b', 'c']) {
      stage.receive(text, 500);
      await stage.clock.advance(1);
    }
    expect(stage.waits).toEqual([]);
    await stage.clock.advance(10);
    expect(stage.events).toEqual(['large', 'a', 'b', 'c']);
    expect(stage.waits).toEqual([{ ms: 5, events: 3 }]);
    stage.endTurn();
    stage.receive('d');
    await stage.clock.advance(10);
    expect(stage.waits).toEqual([
      { ms: 5, events: 3 },
      { ms: 2, events: 1 },
    ]);
  });

  it('is told also where they were enough before their time was over', async () => {
    const stage = createStage();
    stage.receive('large', 1_000);
    await stage.clock.advance(30);
    stage.endTurn();
    stage.receive('many', 499_999);
    await stage.clock.advance(1);
    stage.receive('last');
    stage.endTurn();
    expect(stage.events).toEqual(['large', 'many', 'last']);
    expect(stage.waits).toEqual([{ ms: 1, events: 2 }]);
  });

  it('is not told of those that did not wait, nor where none came', async () => {
    const stage = createStage();
    stage.receive('large', 1_000);
    stage.receive('directly', 1_000);
    stage.endTurn();
    await stage.clock.advance(50);
    stage.receive('later');
    expect(stage.events).toEqual(['large', 'directly', 'later']);
    expect(stage.waits).toEqual([]);
  });
});
