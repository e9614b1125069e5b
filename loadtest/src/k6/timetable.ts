/**
 * One timer for all that a thread of k6 has to do later. k6 lets only one of its own timers through at each turn of its
 * event loop: a hundred clients that are to be cut at once would be cut one after the other, as late as the loop is slow.
 * It sleeps until something is due: a hundred threads that looked every ten milliseconds would cost as much as the events.
 */
import { clearTimeout, setTimeout } from 'k6/timers';

/** What is due within the same ten milliseconds is done together. */
const TICK_MS = 10;

export interface Timetable {
  /** @returns takes it back; harmless when it was done */
  after(ms: number, act: () => void): () => void;
}

export function createTimetable(): Timetable {
  const due = new Map<number, Set<() => void>>();
  /** The tick that the timer is set for. */
  let awake = Number.POSITIVE_INFINITY;
  let timer: number | undefined;

  function sleepUntil(time: number): void {
    if (timer !== undefined) clearTimeout(timer);
    awake = time;
    timer = Number.isFinite(time) ? setTimeout(tick, Math.max(0, time * TICK_MS - Date.now())) : undefined;
  }

  function tick(): void {
    // A timer may come a moment early.
    const now = Math.max(awake, Math.floor(Date.now() / TICK_MS));
    const past = [...due.keys()].filter((time) => time <= now).sort((a, b) => a - b);
    for (const time of past) {
      const acts = due.get(time) ?? [];
      due.delete(time);
      for (const act of acts) act();
    }
    let next = Number.POSITIVE_INFINITY;
    for (const time of due.keys()) next = Math.min(next, time);
    sleepUntil(next);
  }

  return {
    after(ms, act) {
      const time = Math.ceil((Date.now() + Math.max(0, ms)) / TICK_MS);
      // Of its own, as the same function may be wanted twice.
      const entry = () => act();
      const acts = due.get(time) ?? new Set();
      due.set(time, acts.add(entry));
      if (time < awake) sleepUntil(time);
      return () => {
        acts.delete(entry);
        if (acts.size === 0 && due.get(time) === acts) due.delete(time);
        // k6 waits for every timer that is set, whatever it is for.
        if (due.size === 0) sleepUntil(Number.POSITIVE_INFINITY);
      };
    },
  };
}
