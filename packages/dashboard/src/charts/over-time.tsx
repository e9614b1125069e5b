/** New and resolved violations over the last day: new ones upwards, resolved ones downwards. */
import { useMemo } from 'react';
import { useSigned } from '../parts/context.js';
import { clockTime, useNow } from '../parts/now.js';
import { overTime } from '../state/activity.js';
import { lastDay, SEEN_HERE } from '../state/day.js';
import { useStore } from '../state/store.js';

/** The half hour that it is, and the 48 before it. */
const BUCKETS = 49;
const BUCKET_MS = 30 * 60_000;
const WIDTH = 300;
const HEIGHT = 88;
const GAP = 2;

export function OverTime() {
  const { session } = useSigned();
  const view = useStore(session.live.view);
  const tick = useNow();
  const { added, buckets, from, resolved } = useMemo(() => {
    // The clock that ticks every ten seconds may be behind an event that has just come.
    const now = Math.max(tick, Date.now());
    const day = lastDay(view, now);
    return { ...day, buckets: overTime(day.buckets, now, BUCKETS, BUCKET_MS) };
  }, [view, tick]);
  const most = Math.max(1, ...buckets.map((bucket) => Math.max(bucket.added, bucket.resolved)));
  const middle = HEIGHT / 2;
  const step = WIDTH / BUCKETS;
  const length = (count: number): number => (count === 0 ? 0 : Math.max(2, (count / most) * (middle - 4)));
  return (
    <figure className="over-time" data-chart="time" data-from={from} data-added={added} data-resolved={resolved}>
      <svg
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        preserveAspectRatio="none"
        role="img"
        aria-label={`${added} new and ${resolved} resolved violations in 24 hours${from === 'page' ? `, ${SEEN_HERE}` : ''}`}
      >
        <line x1="0" x2={WIDTH} y1={middle} y2={middle} className="axis" />
        {buckets.map((bucket, index) => (
          <g key={bucket.at} transform={`translate(${index * step + GAP / 2} 0)`}>
            <rect
              className="bar-added"
              y={middle - 1 - length(bucket.added)}
              width={step - GAP}
              height={length(bucket.added)}
              rx="1.5"
            />
            <rect
              className="bar-resolved"
              y={middle + 1}
              width={step - GAP}
              height={length(bucket.resolved)}
              rx="1.5"
            />
          </g>
        ))}
      </svg>
      <p className="span">
        <span>24 hours ago</span>
        <span>now</span>
      </p>
      <figcaption>
        <span className="key key-added">{added} new</span>
        <span className="key key-resolved">{resolved} resolved</span>
        {from === 'page' && <span className="quiet">{SEEN_HERE}</span>}
      </figcaption>
      <details>
        <summary>Show as a table</summary>
        <table className="plain">
          <thead>
            <tr>
              <th scope="col">From</th>
              <th scope="col">New</th>
              <th scope="col">Resolved</th>
            </tr>
          </thead>
          <tbody>
            {buckets
              .filter((bucket) => bucket.added + bucket.resolved > 0)
              .map((bucket) => (
                <tr key={bucket.at}>
                  <th scope="row">{clockTime(bucket.at)}</th>
                  <td>{bucket.added}</td>
                  <td>{bucket.resolved}</td>
                </tr>
              ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
