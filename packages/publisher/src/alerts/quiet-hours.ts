/** Quiet hours: how long an alert has to wait, by the clock of the place where its reader sleeps. */
import type { AlertRule, QuietHours } from '@belfry/shared/preferences';

const MINUTE_MS = 60_000;
const DAY_MINUTES = 24 * 60;

/** Milliseconds until the quiet hours end; 0 outside of them. Hours that begin in the evening end the next morning. */
export function quietForMs(hours: QuietHours, nowMs: number): number {
  const now = minuteOfDay(nowMs, hours.time_zone);
  const from = minutesOf(hours.from);
  const to = minutesOf(hours.to);
  if (from === to) return 0;
  const quiet = from < to ? now >= from && now < to : now >= from || now < to;
  if (!quiet) return 0;
  const left = (to - now + DAY_MINUTES) % DAY_MINUTES;
  const leftMs = left * MINUTE_MS - (nowMs % MINUTE_MS);
  // The clocks may be changed on the way: what they show by then is off by that.
  const offBy = between(to, minuteOfDay(nowMs + leftMs, hours.time_zone));
  const correctedMs = leftMs - offBy * MINUTE_MS;
  // A time that the clocks skip is taken as if they did not, as in RFC 5545; an hour before them it is quiet still.
  return minuteOfDay(nowMs + correctedMs, hours.time_zone) === to ? correctedMs : leftMs;
}

/** Milliseconds until the quiet hours of all these rules have ended; 0 outside of them. */
export const longestQuietMs = (rules: readonly Pick<AlertRule, 'quiet_hours'>[], nowMs: number): number =>
  Math.max(0, ...rules.map(({ quiet_hours }) => (quiet_hours ? quietForMs(quiet_hours, nowMs) : 0)));

/** Minutes from `a` to `b` by the shorter way round the clock. */
function between(a: number, b: number): number {
  const minutes = (b - a + DAY_MINUTES) % DAY_MINUTES;
  return minutes > DAY_MINUTES / 2 ? minutes - DAY_MINUTES : minutes;
}

function minutesOf(time: string): number {
  const [hours = '0', minutes = '0'] = time.split(':');
  return Number(hours) * 60 + Number(minutes);
}

function minuteOfDay(nowMs: number, timeZone: string): number {
  const format = new Intl.DateTimeFormat('en-GB', { timeZone, hour: '2-digit', minute: '2-digit', hourCycle: 'h23' });
  return minutesOf(format.format(nowMs));
}
