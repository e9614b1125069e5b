/** The portfolio in five numbers: the cluster's own where it sends them, else counted from what is shown. */
import type { EventMessage } from '@belfry/client';
import { useMemo } from 'react';
import { useSigned } from '../parts/context.js';
import type { View } from '../state/live.js';
import { bySeverity } from '../state/properties.js';
import { useStore } from '../state/store.js';

const DAY_MS = 24 * 3_600_000;

interface Kpi {
  readonly name: string;
  readonly value: number;
}

function counted(view: View, now: number): Kpi[] {
  let open = 0;
  for (const property of view.properties.values()) {
    open += property.open;
  }
  let added = 0;
  let resolved = 0;
  for (const bucket of view.minutes.values()) {
    if (bucket.at < now - DAY_MS) continue;
    added += bucket.added;
    resolved += bucket.resolved;
  }
  return [
    { name: 'Properties', value: view.properties.size },
    { name: 'Open violations', value: open },
    { name: 'Critical', value: bySeverity(view.properties.values()).get('critical') ?? 0 },
    { name: 'New in 24 hours', value: added },
    { name: 'Resolved in 24 hours', value: resolved },
  ];
}

/** The fields of `kpi:update`, by our names. */
const FIELDS: Readonly<Record<string, string>> = {
  Properties: 'properties',
  'Open violations': 'open_violations',
  Critical: 'critical',
  'New in 24 hours': 'new_24h',
};

/** The cluster counts over the portfolio that it keeps: where that is not yet the one shown, its numbers are others'. */
function ofThese({ kpis, properties }: View): EventMessage | undefined {
  const shown = [...properties.values()].filter(({ phase }) => phase !== 'refused').length;
  return kpis?.properties === shown ? kpis : undefined;
}

export function Kpis() {
  const { session } = useSigned();
  const view = useStore(session.live.view);
  const kpis = useMemo(() => counted(view, Date.now()), [view]);
  const fromCluster = ofThese(view);
  return (
    <dl className="kpis">
      {kpis.map(({ name, value }) => {
        const field = fromCluster?.[FIELDS[name] ?? ''];
        const sent = typeof field === 'number' ? field : undefined;
        return (
          <div
            key={name}
            className={`card kpi${name === 'Critical' && (sent ?? value) > 0 ? ' kpi-critical' : ''}`}
            data-from={sent === undefined ? 'page' : 'cluster'}
          >
            <dt>{name}</dt>
            <dd>{(sent ?? value).toLocaleString('en')}</dd>
          </div>
        );
      })}
    </dl>
  );
}
