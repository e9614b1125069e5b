/** The portfolio in five numbers: the cluster's own where it sends them, else counted from what is shown. */
import type { EventMessage } from '@belfry/client';
import { useMemo } from 'react';
import { useSigned } from '../parts/context.js';
import type { View } from '../state/live.js';
import { useStore } from '../state/store.js';

const DAY_MS = 24 * 3_600_000;

interface Kpi {
  readonly name: string;
  readonly value: number;
  readonly tone?: 'critical' | undefined;
}

function counted(view: View, now: number): Kpi[] {
  let open = 0;
  let critical = 0;
  for (const property of view.properties.values()) {
    open += property.open;
    for (const { count, severity } of property.types.values()) if (severity === 'critical') critical += count;
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
    { name: 'Critical', value: critical, tone: critical > 0 ? 'critical' : undefined },
    { name: 'New in 24 hours', value: added },
    { name: 'Resolved in 24 hours', value: resolved },
  ];
}

/** Names under which the cluster may send a number, by ours. */
const NAMES: Readonly<Record<string, readonly string[]>> = {
  Properties: ['properties', 'property_count'],
  'Open violations': ['open_violations', 'open'],
  Critical: ['critical', 'critical_violations'],
  'New in 24 hours': ['new_24h', 'new_in_24h', 'new_in_24_hours', 'new_last_24h'],
};

function sentFor(event: EventMessage | undefined, name: string): number | undefined {
  const fields: Readonly<Record<string, unknown>> = { ...event, ...((event?.kpis ?? {}) as object) };
  for (const field of NAMES[name] ?? []) {
    const value = fields[field];
    if (typeof value === 'number') return value;
  }
  return undefined;
}

export function Kpis() {
  const { session } = useSigned();
  const view = useStore(session.live.view);
  const kpis = useMemo(() => counted(view, Date.now()), [view]);
  return (
    <dl className="kpis">
      {kpis.map(({ name, tone, value }) => {
        const sent = sentFor(view.kpis, name);
        return (
          <div
            key={name}
            className={`card kpi${tone ? ` kpi-${tone}` : ''}`}
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
