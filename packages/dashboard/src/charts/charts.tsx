/** Three charts of what is shown, drawn as SVG and HTML, each with its numbers as a table. */
import type { Severity } from '@belfry/client';
import { useMemo } from 'react';
import { useSigned } from '../parts/context.js';
import { SeverityMark } from '../parts/severity-mark.js';
import { bySeverity, byType, isKnown } from '../state/properties.js';
import { SEVERITIES } from '../state/severity.js';
import { useStore } from '../state/store.js';
import { OverTime } from './over-time.js';

const TYPES_SHOWN = 6;

export function Charts() {
  const { session } = useSigned();
  const properties = useStore(session.live.view, ({ properties }) => properties);
  const types = useMemo(
    () => [...byType(properties.values())].sort((a, b) => b[1] - a[1]).slice(0, TYPES_SHOWN),
    [properties],
  );
  const severities = useMemo(() => bySeverity(properties.values()), [properties]);
  const known = useMemo(() => isKnown([...properties.values()]), [properties]);
  return (
    <div className="charts">
      <section className="card" aria-labelledby="severity-title">
        <h2 id="severity-title">Open by severity</h2>
        <SeverityBar counts={severities} known={known} />
      </section>
      <section className="card" aria-labelledby="type-title">
        <h2 id="type-title">Open by type</h2>
        {known ? <TypeBars counts={types} /> : <p className="empty">Loading…</p>}
      </section>
      <section className="card" aria-labelledby="time-title">
        <h2 id="time-title">Changes in 24 hours</h2>
        <OverTime />
      </section>
    </div>
  );
}

interface SeverityBarProps {
  readonly counts: ReadonlyMap<Severity, number>;
  readonly known: boolean;
}

function SeverityBar({ counts, known }: SeverityBarProps) {
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const present = SEVERITIES.toReversed();
  return (
    <>
      <div className="stack" aria-hidden="true">
        {present.map((severity) => {
          const count = counts.get(severity) ?? 0;
          return count > 0 ? (
            <span key={severity} className={`stack-part fill-${severity}`} style={{ flexGrow: count }} />
          ) : null;
        })}
        {total === 0 && <span className="stack-part fill-none" style={{ flexGrow: 1 }} />}
      </div>
      <ul className="legend" data-chart="severity">
        {present.map((severity) => (
          <li key={severity}>
            <SeverityMark severity={severity} label />
            <b data-severity={severity}>{known ? (counts.get(severity) ?? 0) : '–'}</b>
          </li>
        ))}
      </ul>
    </>
  );
}

function TypeBars({ counts }: { readonly counts: readonly (readonly [string, number])[] }) {
  const most = Math.max(1, ...counts.map(([, count]) => count));
  if (counts.length === 0) return <p className="empty">No open violations.</p>;
  return (
    <table className="bars" data-chart="type">
      <thead className="hidden">
        <tr>
          <th scope="col">Type</th>
          <th scope="col">Open violations</th>
        </tr>
      </thead>
      <tbody>
        {counts.map(([type, count]) => (
          <tr key={type}>
            <th scope="row">{type}</th>
            <td>
              <span className="bar" style={{ width: `${(count / most) * 100}%` }} aria-hidden="true" />
            </td>
            <td className="bar-value">{count}</td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
