/** The last day is told as it was, with the clock in hand: from the first moment, and as time passes. */
import type { EventMessage } from '@belfry/client';
import { expect, it } from 'vitest';
import { overTime } from './activity.js';
import { lastDay } from './day.js';
import { newProperty } from './properties.js';

const QUARTER_MS = 15 * 60_000;
const DAY_MS = 24 * 3_600_000;
/** Where a quarter of an hour begins. */
const NOW = 2_000_000 * QUARTER_MS;

const kpis = (byQuarter: unknown, properties = 1): EventMessage => ({
  id: '7-1',
  channel: 'user:landlord-7',
  type: 'kpi:update',
  timestamp: NOW / 1_000,
  properties,
  by_quarter: byQuarter,
});
const seen = new Map([[NOW, { at: NOW, added: 1, resolved: 0 }]]);
const view = (sent: EventMessage | undefined) => ({
  kpis: sent,
  minutes: seen,
  properties: new Map([['1012650001', newProperty('1012650001')]]),
});
const secondsAgo = (ms: number): number => (NOW - ms) / 1_000;

it('a browser that saw nothing of it tells of the day as the cluster counts it, and does not add what it sees itself', () => {
  const sent = kpis([
    [secondsAgo(8 * QUARTER_MS), 2, 4],
    [secondsAgo(0), 1, 1],
  ]);
  const day = lastDay(view(sent), NOW);
  expect(day).toMatchObject({ from: 'cluster', added: 3, resolved: 5 });
  const drawn = overTime(day.buckets, NOW, 49, 2 * QUARTER_MS).filter(({ added, resolved }) => added + resolved > 0);
  expect(drawn.map(({ added, resolved }) => [added, resolved])).toEqual([
    [2, 4],
    [1, 1],
  ]);
});

it('what happened leaves the day as time passes, though nothing new is sent', () => {
  const sent = view(kpis([[secondsAgo(0), 2, 1]]));
  expect(lastDay(sent, NOW + DAY_MS)).toMatchObject({ added: 2, resolved: 1 });
  expect(lastDay(sent, NOW + DAY_MS + QUARTER_MS)).toMatchObject({ added: 0, resolved: 0, buckets: [] });
  expect(lastDay(view(undefined), NOW + DAY_MS)).toMatchObject({ from: 'page', added: 1 });
  expect(lastDay(view(undefined), NOW + DAY_MS + 60_000)).toMatchObject({ from: 'page', added: 0 });
});

it('all of the day is drawn, whenever it is', () => {
  for (let quarter = 0; quarter < 4; quarter++) {
    const now = NOW + quarter * QUARTER_MS + QUARTER_MS - 1;
    const oldest = Math.floor((now - DAY_MS) / QUARTER_MS) * (QUARTER_MS / 1_000);
    const { added, buckets } = lastDay(view(kpis([[oldest, 3, 0]])), now);
    const drawn = overTime(buckets, now, 49, 2 * QUARTER_MS);
    expect([added, drawn.reduce((sum, bucket) => sum + bucket.added, 0)]).toEqual([3, 3]);
  }
});

it('figures of another portfolio, of an older publisher, or that nobody can read are not taken for the day', () => {
  for (const sent of [undefined, kpis([[secondsAgo(0), 9, 9]], 2), kpis(undefined)]) {
    expect(lastDay(view(sent), NOW)).toMatchObject({ from: 'page', added: 1, resolved: 0 });
  }
  expect(lastDay(view(kpis([null, [1], [secondsAgo(0), 'many', 1]])), NOW)).toMatchObject({ added: 0 });
});
