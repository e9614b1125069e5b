/**
 * A clock that stands still until it is told to go on. Everything that is due runs in the order of its time; what is due
 * at the same time runs in an order drawn from `random`, so that a seed decides every interleaving.
 */
import type { Clock } from '../../service/clock.js';

export interface VirtualClock extends Clock {
  /** Runs what is due within `ms`, promises included, and leaves the clock `ms` later. */
  advance(ms: number): Promise<void>;
  /** Timers that have not run and were not cancelled. */
  readonly pending: number;
}

interface Timer {
  readonly at: number;
  /** Decides between timers of the same time. */
  readonly order: number;
  readonly run: () => void;
  cancelled: boolean;
}

/** Any time will do, as long as it looks like one: 2026-01-01. */
const START = 1_767_225_600_000;

/** @param random decides the order of what is due at the same time; without it, the order in which it was asked for */
export function createVirtualClock(random?: () => number, startMs = START): VirtualClock {
  let now = startMs;
  let serial = 0;
  const heap: Timer[] = [];

  function add(ms: number, run: () => void): Timer {
    serial += 1;
    const timer: Timer = { at: now + Math.max(0, ms), order: random ? random() : serial, run, cancelled: false };
    push(heap, timer);
    return timer;
  }

  function every(ms: number, run: () => void): () => void {
    let cancelled = false;
    let timer = add(ms, tick);
    function tick(): void {
      timer = add(ms, tick);
      run();
      if (cancelled) timer.cancelled = true;
    }
    return () => {
      cancelled = true;
      timer.cancelled = true;
    };
  }

  return {
    now: () => now,
    after(ms, run) {
      const timer = add(ms, run);
      return () => {
        timer.cancelled = true;
      };
    },
    every,
    async advance(ms) {
      const end = now + ms;
      await settled();
      for (let timer = heap[0]; timer && timer.at <= end; timer = heap[0]) {
        pop(heap);
        if (timer.cancelled) continue;
        now = timer.at;
        timer.run();
        await settled();
      }
      now = end;
    },
    get pending() {
      return heap.filter((timer) => !timer.cancelled).length;
    },
  };
}

/** All promises that can be settled without time passing are settled first: nothing here waits for anything real. */
const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

const before = (a: Timer, b: Timer): boolean => a.at < b.at || (a.at === b.at && a.order < b.order);

/** A binary heap: a simulation has hundreds of timers and runs millions of them. */
function push(heap: Timer[], timer: Timer): void {
  let at = heap.length;
  heap.push(timer);
  while (at > 0) {
    const parent = (at - 1) >> 1;
    if (!before(timer, heap[parent] as Timer)) break;
    heap[at] = heap[parent] as Timer;
    at = parent;
  }
  heap[at] = timer;
}

function pop(heap: Timer[]): void {
  const last = heap.pop();
  if (last === undefined || heap.length === 0) return;
  let at = 0;
  for (let child = 1; child < heap.length; child = 2 * at + 1) {
    if (child + 1 < heap.length && before(heap[child + 1] as Timer, heap[child] as Timer)) child += 1;
    if (!before(heap[child] as Timer, last)) break;
    heap[at] = heap[child] as Timer;
    at = child;
  }
  heap[at] = last;
}
