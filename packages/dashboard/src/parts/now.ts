/** Times as people say them, and one clock for all that shows how long ago something was. */
import { useSyncExternalStore } from 'react';

const TICK_MS = 10_000;
let now = Date.now();
let timer: ReturnType<typeof setInterval> | undefined;
const listeners = new Set<() => void>();

function subscribe(listener: () => void): () => void {
  listeners.add(listener);
  timer ??= setInterval(() => {
    now = Date.now();
    for (const each of listeners) each();
  }, TICK_MS);
  return () => {
    listeners.delete(listener);
    if (listeners.size > 0) return;
    clearInterval(timer);
    timer = undefined;
  };
}

/** Milliseconds since 1970, ten seconds old at most. */
export const useNow = (): number => useSyncExternalStore(subscribe, () => now);

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto', style: 'short' });
const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ['day', 86_400],
  ['hour', 3_600],
  ['minute', 60],
];

/** @param seconds since 1970 */
export function ago(seconds: number, nowMs: number): string {
  const past = nowMs / 1000 - seconds;
  if (past < 45) return 'just now';
  for (const [unit, length] of UNITS) {
    if (past >= length * 0.75) return relative.format(-Math.max(1, Math.round(past / length)), unit);
  }
  return 'just now';
}

const dateTime = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' });
const time = new Intl.DateTimeFormat('en', { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });

/** @param seconds since 1970 */
export const fullTime = (seconds: number): string => dateTime.format(seconds * 1000);
/** @param ms since 1970 */
export const clockTime = (ms: number): string => time.format(ms);
