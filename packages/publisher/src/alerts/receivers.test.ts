/** What is remembered of receivers: enough to leave them alone, and nothing for ever. */
import { type Clock, systemClock } from '@belfry/shared/service';
import { beforeEach, expect, it } from 'vitest';
import { createReceivers, MAX_PAUSE_MS, type Receivers, type Visit } from './receivers.js';

let now: number;
let receivers: Receivers;
const clock: Clock = { ...systemClock, now: () => now };

beforeEach(() => {
  now = 1_000_000;
  receivers = createReceivers({ clock, firstPauseMs: 10_000 });
});

function enter(name = 'hook.example', places = 2): Visit {
  const visit = receivers.enter(name, places);
  if (typeof visit === 'number') throw new Error(`${name} is left alone for ${visit - now} ms`);
  return visit;
}
const pause = (name = 'hook.example') => {
  const until = receivers.enter(name, 2);
  return typeof until === 'number' ? until - now : 0;
};

it('a receiver has no more in hand than its places, also after one of them succeeded', () => {
  const first = enter();
  enter();
  expect(pause()).toBeGreaterThan(0);
  first.end('succeeded');
  enter();
  expect(pause()).toBeGreaterThan(0);
});

it('a receiver that hangs is asked for again the later the longer it hangs, up to a minute', () => {
  const [first] = [enter(), enter()];
  expect(pause()).toBe(1_000);
  now += 30_000;
  expect(pause()).toBe(30_000);
  now += 300_000;
  expect(pause()).toBe(60_000);
  first.end('succeeded');
  enter();
  expect(pause()).toBe(1_000);
});

it('a receiver that fails is left alone for longer each time, up to a minute, and no more once it succeeds', () => {
  for (const expected of [10_000, 20_000, 40_000, 60_000, 60_000]) {
    enter().end('failed');
    expect(pause()).toBe(expected);
    now += expected;
  }
  enter().end('succeeded');
  enter().end('failed');
  expect(pause()).toBe(10_000);
});

it('a failure counts though another call succeeded before it, and a refusal is none', () => {
  const [slow, quick] = [enter(), enter()];
  quick.end('succeeded');
  slow.end('failed');
  expect(pause()).toBe(10_000);
  now += 10_000;
  enter().end('refused');
  enter().end('failed');
  expect(pause()).toBe(20_000);
});

it('forgets who works at once, and who failed and was asked for nothing since', () => {
  enter('works.example').end('succeeded');
  enter('refuses.example').end('refused');
  expect(receivers.size()).toBe(0);
  for (let n = 0; n < 100; n += 1) enter(`gone-${n}.example`).end('failed');
  enter('hangs.example');
  now += 2 * MAX_PAUSE_MS;
  pause();
  expect(receivers.size()).toBe(2);
});
