/** What was new and what was resolved in the last day: the cluster's figures where it sends them, else what this browser saw. */
import type { EventMessage } from '@belfry/client';
import type { Bucket } from './activity.js';
import type { View } from './live.js';

export interface Day {
  /** The cluster knows of all of it, this browser of what happened while it watched, and of what it could recover. */
  readonly from: 'cluster' | 'page';
  readonly added: number;
  readonly resolved: number;
  readonly buckets: readonly Bucket[];
}

/** What is said beside figures that are the page's own. */
export const SEEN_HERE = 'seen by this browser';

const QUARTER_MS = 15 * 60_000;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 3_600_000;

/** The cluster counts over the portfolio that it keeps: where that is not yet the one shown, its numbers are others'. */
export function clusterFigures({ kpis, properties }: Pick<View, 'kpis' | 'properties'>): EventMessage | undefined {
  const shown = [...properties.values()].filter(({ phase }) => phase !== 'refused').length;
  return kpis?.properties === shown ? kpis : undefined;
}

const isQuarter = (value: unknown): value is [at: number, added: number, resolved: number] =>
  Array.isArray(value) && value.length === 3 && value.every((each) => Number.isFinite(each));

/** @param now milliseconds since 1970 */
export function lastDay(view: Pick<View, 'kpis' | 'minutes' | 'properties'>, now: number): Day {
  // Of a publisher from before it sent them there are none.
  const quarters = clusterFigures(view)?.by_quarter;
  if (!Array.isArray(quarters)) return dayOf('page', [...view.minutes.values()], MINUTE_MS, now);
  const buckets = quarters.filter(isQuarter).map(([at, added, resolved]) => ({ at: at * 1_000, added, resolved }));
  return dayOf('cluster', buckets, QUARTER_MS, now);
}

function dayOf(from: Day['from'], all: readonly Bucket[], widthMs: number, now: number): Day {
  const buckets = all.filter(({ at }) => at + widthMs > now - DAY_MS);
  return {
    from,
    added: buckets.reduce((sum, { added }) => sum + added, 0),
    resolved: buckets.reduce((sum, { resolved }) => sum + resolved, 0),
    buckets,
  };
}
