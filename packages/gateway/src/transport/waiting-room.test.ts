import { createVirtualClock } from '@belfry/shared/log/memory';
import { describe, expect, it } from 'vitest';
import { createWaitingRoom } from './waiting-room.js';

const NETWORK = '10.0.0.1';

/** Ten places a second, fifty at first. */
function createStage() {
  const clock = createVirtualClock();
  let frozenMs = 0;
  const room = createWaitingRoom({ clock, steadyMs: () => clock.now() + frozenMs, placesPerSecond: 10 });
  const log: string[] = [];
  const isOpen = () => room.isOpenTo(NETWORK);
  return {
    isOpen,
    clock,
    /** Time goes by, and no timer comes. */
    freeze: (ms: number) => {
      frozenMs += ms;
    },
    room,
    /** What happened since the last call. */
    take: () => log.splice(0),
    /** Returns what aborts the request. */
    wait(name: string, network = NETWORK) {
      let aborted = (): void => undefined;
      const response = {
        onAborted(handler: () => void) {
          aborted = handler;
        },
        pause: () => log.push(`${name} paused`),
        resume: () => log.push(`${name} resumed`),
      };
      const waits = room.wait(response, network, {
        enter: () => log.push(`${name} in`),
        giveUp: () => log.push(`${name} refused`),
      });
      if (!waits) log.push(`${name} sent away`);
      return () => aborted();
    },
    /** A flood that has used up all places. */
    useUp() {
      while (isOpen()) room.left('gone', NETWORK);
    },
    /** Places that are left; uses them up. */
    places() {
      let count = 0;
      for (; isOpen(); count += 1) room.left('gone', NETWORK);
      return count;
    },
  };
}

describe('places for who brings no token', () => {
  it('are those of five seconds at first, and come back with time', async () => {
    const { clock, places } = createStage();
    expect(places()).toBe(50);
    await clock.advance(500);
    expect(places()).toBe(5);
  });

  it('are used up by who leaves without a word, not by who comes: a storm of clients never waits', () => {
    const { isOpen, room, places } = createStage();
    for (let n = 0; n < 10_000; n += 1) expect(isOpen()).toBe(true);
    for (let n = 0; n < 10_000; n += 1) room.known(NETWORK);
    expect(places()).toBe(50);
  });

  it('are used up ten at a time by who is cut off; none are owed', async () => {
    const { clock, room, places } = createStage();
    room.left('cut', NETWORK);
    expect(places()).toBe(40);
    for (let n = 0; n < 100; n += 1) room.left('cut', NETWORK);
    await clock.advance(100);
    expect(places()).toBe(1);
  });
});

describe('where somebody has said who he is before', () => {
  it('nobody waits', () => {
    const { isOpen, room, useUp, wait } = createStage();
    room.known('192.0.2.7');
    useUp();
    wait('a');
    expect([room.isOpenTo('192.0.2.7'), isOpen()]).toEqual([true, false]);
  });

  it('they do again once one from there has not said it', () => {
    const { room, useUp } = createStage();
    room.known('192.0.2.7');
    useUp();
    room.left('gone', '192.0.2.7');
    expect(room.isOpenTo('192.0.2.7')).toBe(false);
    room.known('192.0.2.7');
    expect(room.isOpenTo('192.0.2.7')).toBe(true);
  });

  it('they do once ten thousand others have said it since', () => {
    const { room, useUp } = createStage();
    for (let n = 0; n < 10_001; n += 1) room.known(`network ${n}`);
    useUp();
    expect([0, 1, 10_000].map((n) => room.isOpenTo(`network ${n}`))).toEqual([false, true, true]);
  });
});

describe('who waits', () => {
  it('is not read from, and comes in as places come back, in the order of coming', async () => {
    const { clock, isOpen, room, take, wait, useUp } = createStage();
    useUp();
    for (const name of ['a', 'b', 'c']) wait(name);
    expect(take()).toEqual(['a paused', 'b paused', 'c paused']);
    expect(room.waiting).toBe(3);
    await clock.advance(200);
    expect(take()).toEqual(['a resumed', 'a in', 'b resumed', 'b in']);
    expect(isOpen()).toBe(false);
    await clock.advance(100);
    expect(take()).toEqual(['c resumed', 'c in']);
  });

  it('comes in as soon as those before have said who they are', async () => {
    const { clock, room, take, wait, useUp } = createStage();
    useUp();
    for (const name of ['a', 'b', 'c']) wait(name);
    take();
    for (let n = 0; n < 3; n += 1) room.known(NETWORK);
    await clock.advance(10);
    expect(take().filter((line) => line.endsWith('in'))).toEqual(['a in', 'b in', 'c in']);
  });

  it('does not wait for all requests of another network: they take turns', async () => {
    const { clock, take, wait, useUp } = createStage();
    useUp();
    for (let n = 0; n < 4; n += 1) wait(`flood ${n}`);
    wait('other', '192.0.2.7');
    await clock.advance(200);
    expect(take().filter((line) => line.endsWith('in'))).toEqual(['flood 0 in', 'other in']);
  });

  it('is refused after two seconds', async () => {
    const { clock, room, take, wait, useUp } = createStage();
    useUp();
    wait('a');
    wait('b');
    // Whoever gets in goes at once, and with him the place that came back.
    for (let ms = 0; ms < 2_000; ms += 50) {
      await clock.advance(50);
      if (room.waiting > 1) room.left('cut', NETWORK);
    }
    expect(take().slice(2)).toEqual(['a resumed', 'a refused', 'b resumed', 'b refused']);
    expect(room.waiting).toBe(0);
  });

  it('is let in where there is room, though the process was frozen for longer than anybody is to wait', async () => {
    const { clock, freeze, take, wait, useUp } = createStage();
    useUp();
    wait('a');
    freeze(3_000);
    await clock.advance(10);
    expect(take().slice(1)).toEqual(['a resumed', 'a in']);
  });

  it('is one of few: others are sent away at once', () => {
    const { room, take, wait, useUp } = createStage();
    useUp();
    for (let n = 0; n < 5; n += 1) wait(`${n}`);
    take();
    wait('one more');
    expect([take(), room.waiting]).toEqual([['one more sent away'], 5]);
  });

  it('is forgotten when the connection is gone', async () => {
    const { clock, room, take, wait, useUp } = createStage();
    useUp();
    const abort = wait('a');
    wait('b');
    take();
    abort();
    expect(room.waiting).toBe(1);
    await clock.advance(100);
    expect(take()).toEqual(['b resumed', 'b in']);
  });

  it('is not called any more once the gateway closes', async () => {
    const { clock, room, take, wait, useUp } = createStage();
    useUp();
    wait('a');
    take();
    room.close();
    await clock.advance(5_000);
    expect(take()).toEqual([]);
  });
});
