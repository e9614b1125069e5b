/** When a run has passed, as k6's thresholds. */
import type { Settings } from './settings.ts';

/** A client in a thousand may fail once, and try again; no event may be lost or doubled at all. */
export const CONNECT_SUCCESS = 0.999;

export function thresholds(settings: Settings, publishes: boolean): Record<string, string[]> {
  const always = {
    connect_success: [`rate>=${CONNECT_SUCCESS}`],
    ready_time: [`p(99)<=${settings.ready}`],
    gaps: ['count==0'],
    missing: ['count==0'],
    repeated: ['count==0'],
    reordered: ['count==0'],
    strays: ['count==0'],
    unfinished: ['count==0'],
    unexpected_closes: [`count<=${settings.closes}`],
    resyncs: [`count<=${settings.resyncs}`],
  };
  if (!publishes) return always;
  return {
    ...always,
    e2e_latency: [`p(50)<=${settings.p50}`, `p(99)<=${settings.p99}`],
    // An intake that is waited for gets fewer events a second than were asked for, and none of that is in the latencies.
    publish_behind: [`p(99)<=${settings.p99}`],
    events_received: ['count>0'],
    events_refused: ['count==0'],
  };
}
