/** Quiet hours are those of the clock on the wall of whoever sleeps. */
import { expect, it } from 'vitest';
import { longestQuietMs, quietForMs } from './quiet-hours.js';

const HOUR = 3_600_000;
const night = { from: '22:00', to: '07:00', time_zone: 'America/New_York' };
const noon = { from: '12:00', to: '13:30', time_zone: 'Europe/Berlin' };

it.each([
  ['in the evening, before they begin', night, '2026-01-12T21:59:59-05:00', 0],
  ['when they begin', night, '2026-01-12T22:00:00-05:00', 9 * HOUR],
  ['after midnight', night, '2026-01-13T03:30:00-05:00', 3.5 * HOUR],
  ['a second before they end', night, '2026-01-13T06:59:59-05:00', 1_000],
  ['when they end', night, '2026-01-13T07:00:00-05:00', 0],
  ['within a day', noon, '2026-07-01T12:30:00+02:00', HOUR],
  ['before, within a day', noon, '2026-07-01T11:59:00+02:00', 0],
  ['that last no time', { ...night, to: '22:00' }, '2026-01-12T22:00:00-05:00', 0],
])('%s', (_, hours, at, ms) => {
  expect(quietForMs(hours, Date.parse(at))).toBe(ms);
});

it.each([
  ['back, and the night is an hour longer', '2026-10-31T23:00:00-04:00', '2026-11-01T07:00:00-05:00'],
  ['forward, and the night is an hour shorter', '2026-03-07T23:00:00-05:00', '2026-03-08T07:00:00-04:00'],
])('nobody is woken early, nor told late, where the clocks go %s', (_, at, end) => {
  expect(quietForMs(night, Date.parse(at))).toBe(Date.parse(end) - Date.parse(at));
});

it.each([
  ['02:00', '2026-03-07T23:00:00-05:00', '2026-03-08T03:00:00-04:00'],
  ['02:30', '2026-03-07T23:00:00-05:00', '2026-03-08T03:30:00-04:00'],
  ['02:30', '2026-03-08T01:55:00-05:00', '2026-03-08T03:30:00-04:00'],
])('nobody is woken before %s where the clocks skip that time', (to, at, end) => {
  expect(quietForMs({ ...night, to }, Date.parse(at))).toBe(Date.parse(end) - Date.parse(at));
});

it('of several rules last as long as the longest', () => {
  const midnight = Date.parse('2026-01-13T00:00:00-05:00');
  const rules = [{ quiet_hours: { ...night, to: '03:00' } }, { quiet_hours: night }, { quiet_hours: undefined }];
  expect(longestQuietMs(rules, midnight)).toBe(7 * HOUR);
  expect(longestQuietMs(rules.slice(2), midnight)).toBe(0);
  expect(longestQuietMs([], midnight)).toBe(0);
});
