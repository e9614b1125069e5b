/**
 * What one thread of k6 counts of events that are in order: handed to k6 now and then, as each sample costs k6 about as much
 * as reading the event. What is not in order is told to k6 at once.
 */
import { createLatencies } from './latencies.ts';
import * as metrics from './metrics.ts';

export interface Tally {
  /** Milliseconds to the socket, and from there until k6's thread came to it. */
  live(onWayMs: number, waitingMs: number): void;
  replayed(): void;
  /** Tells k6 what was counted since the last time. */
  flush(): void;
}

/** @param oneIn so thin are the latencies handed to k6, which keeps each of them */
export function createTally(oneIn: number): Tally {
  const onWay = createLatencies(oneIn);
  const waiting = createLatencies(oneIn);
  let live = 0;
  let replayed = 0;
  return {
    live(onWayMs, waitingMs) {
      live++;
      onWay.add(onWayMs);
      waiting.add(waitingMs);
    },
    replayed() {
      replayed++;
    },
    flush() {
      onWay.flush((ms) => metrics.latency.add(ms));
      waiting.flush((ms) => metrics.waiting.add(ms));
      if (live > 0) metrics.received.add(live);
      if (replayed > 0) metrics.replayed.add(replayed);
      live = 0;
      replayed = 0;
    },
  };
}
