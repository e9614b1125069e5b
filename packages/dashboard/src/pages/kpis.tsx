/** The portfolio in five numbers: the cluster's own where it sends them, else counted from what is shown. */
import { useMemo } from 'react';
import { useSigned } from '../parts/context.js';
import { useNow } from '../parts/now.js';
import { clusterFigures, type Day, lastDay, SEEN_HERE } from '../state/day.js';
import type { View } from '../state/live.js';
import { bySeverity, isKnown } from '../state/properties.js';
import { useStore } from '../state/store.js';

interface Kpi {
  readonly name: string;
  /** Undefined where nothing is known yet. */
  readonly value: number | undefined;
  /** Where it is not for the field of the cluster's figures to say. */
  readonly from?: Day['from'];
  readonly unit?: string | undefined;
}

function counted(view: View, now: number): Kpi[] {
  const properties = [...view.properties.values()];
  const known = isKnown(properties);
  const open = properties.reduce((sum, property) => sum + property.open, 0);
  const day = lastDay(view, now);
  // The chart beside them says the same.
  const ofDay = { from: day.from, unit: day.from === 'page' ? SEEN_HERE : undefined };
  return [
    { name: 'Properties', value: view.properties.size },
    { name: 'Open violations', value: known ? open : undefined },
    { name: 'Critical', value: known ? (bySeverity(properties).get('critical') ?? 0) : undefined },
    { name: 'New in 24 hours', value: day.added, ...ofDay },
    { name: 'Resolved in 24 hours', value: day.resolved, ...ofDay },
  ];
}

/** The fields of `kpi:update`, by our names. */
const FIELDS: Readonly<Record<string, string>> = {
  Properties: 'properties',
  'Open violations': 'open_violations',
  Critical: 'critical',
};

export function Kpis() {
  const { session } = useSigned();
  const view = useStore(session.live.view);
  const tick = useNow();
  const kpis = useMemo(() => counted(view, Math.max(tick, Date.now())), [view, tick]);
  const fromCluster = clusterFigures(view);
  return (
    <dl className="kpis">
      {kpis.map(({ from, name, unit, value }) => {
        const field = fromCluster?.[FIELDS[name] ?? ''];
        const sent = typeof field === 'number' ? field : undefined;
        const shown = sent ?? value;
        return (
          <div
            key={name}
            className={`card kpi${name === 'Critical' && (shown ?? 0) > 0 ? ' kpi-critical' : ''}`}
            data-from={from ?? (sent === undefined ? 'page' : 'cluster')}
          >
            <dt>{name}</dt>
            <dd>
              {shown?.toLocaleString('en') ?? '–'}
              {unit && <span className="unit"> {unit}</span>}
            </dd>
          </div>
        );
      })}
    </dl>
  );
}
