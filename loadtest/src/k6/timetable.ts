/**
 * One timer for all that a thread of k6 has to do later. k6 lets only one of its own timers through at each turn of its
 * event loop: a hundred clients that are to be cut at once would be cut one after the other, as late as the loop is slow.
 */
import { setTimeout } from 'k6/timers';

const TICK_MS = 10;

export interface Timetable {
  /** @returns takes it back; harmless when it was done */
  after(ms: number, act: () => void): () => void;
}

export function createTimetable(): Timetable {
  const due = new Map<number, Set<() => void>>();
  let ticking = false;

  function tick(): void {
    const now = Math.floor(Date.now() / TICK_MS);
    const past = [...due.keys()].filter((time) => time <= now).sort((a, b) => a - b);
    for (const time of past) {
      const acts = due.get(time) ?? [];
      due.delete(time);
      for (const act of acts) act();
    }
    if (due.size > 0) setTimeout(tick, TICK_MS);
    else ticking = false;
  }

  return {
    after(ms, act) {
      const time = Math.ceil((Date.now() + Math.max(0, ms)) / TICK_MS);
      // Of its own, as the same function may be wanted twice.
      const entry = () => act();
      const acts = due.get(time) ?? new Set();
      due.set(time, acts.add(entry));
      if (!ticking) {
        ticking = true;
        setTimeout(tick, TICK_MS);
      }
      return () => {
        acts.delete(entry);
        if (acts.size === 0 && due.get(time) === acts) due.delete(time);
      };
    },
  };
}
