import { createVirtualClock } from '@belfry/shared/log/memory';
import { describe, expect, it } from 'vitest';
import { createWaitingRoom } from './waiting-room.js';

/** Ten places a second, fifty at first. */
function createStage() {
  const clock = createVirtualClock();
  const room = createWaitingRoom({ clock, steadyMs: clock.now, placesPerSecond: 10 });
  const log: string[] = [];
  return {
    clock,
    room,
    /** What happened since the last call. */
    take: () => log.splice(0),
    /** Returns what aborts the request. */
    wait(name: string, network = '10.0.0.1') {
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
      while (room.open) room.left('gone');
    },
    /** Places that are left; uses them up. */
    places() {
      let count = 0;
      for (; room.open; count += 1) room.left('gone');
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
    const { room, places } = createStage();
    for (let n = 0; n < 10_000; n += 1) expect(room.open).toBe(true);
    for (let n = 0; n < 10_000; n += 1) room.known();
    expect(places()).toBe(50);
  });

  it('are used up ten at a time by who is cut off; none are owed', async () => {
    const { clock, room, places } = createStage();
    room.left('cut');
    expect(places()).toBe(40);
    for (let n = 0; n < 100; n += 1) room.left('cut');
    await clock.advance(100);
    expect(places()).toBe(1);
  });
});

describe('who waits', () => {
  it('is not read from, and comes in as places come back, in the order of coming', async () => {
    const { clock, room, take, wait, useUp } = createStage();
    useUp();
    for (const name of ['a', 'b', 'c']) wait(name);
    expect(take()).toEqual(['a paused', 'b paused', 'c paused']);
    expect(room.waiting).toBe(3);
    await clock.advance(200);
    expect(take()).toEqual(['a resumed', 'a in', 'b resumed', 'b in']);
    expect(room.open).toBe(false);
    await clock.advance(100);
    expect(take()).toEqual(['c resumed', 'c in']);
  });

  it('comes in as soon as those before have said who they are', async () => {
    const { clock, room, take, wait, useUp } = createStage();
    useUp();
    for (const name of ['a', 'b', 'c']) wait(name);
    take();
    for (let n = 0; n < 3; n += 1) room.known();
    await clock.advance(10);
    expect(take().filter((line) => line.endsWith('in'))).toEqual(['a in', 'b in', 'c in']);
  });

  it('does not wait for all requests of another network: they take turns', async () => {
    const { clock, take, wait, useUp } = createStage();
    useUp();
    for (let n = 0; n < 10; n += 1) wait(`flood ${n}`);
    wait('other', '192.0.2.7');
    await clock.advance(200);
    expect(take().filter((line) => line.endsWith('in'))).toEqual(['flood 0 in', 'other in']);
  });

  it('is refused after two seconds', async () => {
    const { clock, room, take, wait, useUp } = createStage();
    useUp();
    for (let n = 0; n < 20; n += 1) wait(`${n}`);
    await clock.advance(2_000);
    const lines = take();
    expect(lines.filter((line) => line.endsWith('in'))).toHaveLength(19);
    expect(lines.slice(-2)).toEqual(['19 resumed', '19 refused']);
    expect(room.waiting).toBe(0);
  });

  it('is no more than could have their turn in two seconds: others are sent away at once', () => {
    const { room, take, wait, useUp } = createStage();
    useUp();
    for (let n = 0; n < 20; n += 1) wait(`${n}`);
    take();
    wait('one more');
    expect([take(), room.waiting]).toEqual([['one more sent away'], 20]);
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
