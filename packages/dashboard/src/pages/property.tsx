/** One property, reachable by its address: what is open, the single violations, and its history. */
import type { EventMessage } from '@belfry/client';
import { useEffect, useMemo, useState } from 'react';
import { ActivityList } from '../parts/activity-list.js';
import { useSigned } from '../parts/context.js';
import { linkTo } from '../parts/route.js';
import { Scroll } from '../parts/scroll.js';
import { SeverityMark } from '../parts/severity-mark.js';
import { TimeAgo } from '../parts/time-ago.js';
import { activityOf } from '../state/activity.js';
import { placeOf } from '../state/bbl.js';
import { newProperty, type Property, withEvent, withState, worstIn } from '../state/properties.js';
import { severityOf } from '../state/severity.js';
import { useStore } from '../state/store.js';

const HISTORY = 100;
const SHOW_EVERY_MS = 100;

interface Shown {
  readonly property: Property;
  /** Newest first. */
  readonly history: readonly EventMessage[];
}

/** Follows the property by itself, so that it can be looked at without being in the portfolio. */
function useHistory(id: string): Shown {
  const { session } = useSigned();
  const paused = useStore(session.live.status, ({ paused }) => paused);
  const [latest, setLatest] = useState<Shown>(() => ({ property: newProperty(id), history: [] }));
  const [frozen, setFrozen] = useState<Shown>();
  useEffect(() => {
    let property = newProperty(id);
    let history: readonly EventMessage[] = [];
    let timer: ReturnType<typeof setTimeout> | undefined;
    const later = (): void => {
      timer ??= setTimeout(() => {
        timer = undefined;
        setLatest({ property, history });
      }, SHOW_EVERY_MS);
    };
    const leave = session.client.subscribe(`property:${id}`, {
      rewind: HISTORY,
      onState: (state) => {
        property = withState(property, state);
        later();
      },
      onEvent: (event, { covered }) => {
        history = [event, ...history].slice(0, HISTORY);
        if (!covered) property = withEvent(property, event);
        later();
      },
      onError: ({ message }) => {
        property = { ...property, phase: 'refused', error: message };
        later();
      },
    });
    return () => {
      clearTimeout(timer);
      leave();
    };
  }, [session, id]);
  useEffect(() => {
    if (!paused) setFrozen(undefined);
    else setFrozen((was) => was ?? latest);
  }, [paused, latest]);
  return frozen ?? latest;
}

export function PropertyPage({ id }: { readonly id: string }) {
  const { session } = useSigned();
  const portfolio = useStore(session.portfolio);
  const { history, property } = useHistory(id);
  const { detail, title } = placeOf(id);
  const entries = useMemo(() => history.map((event) => activityOf(event, 'live')), [history]);
  const types = [...property.types.values()];
  const violations = types.flatMap(({ violation_type, violations = [] }) =>
    violations.map((violation) => ({ ...violation, type: violation_type })),
  );
  const kept = portfolio.includes(id);
  return (
    <>
      <p className="crumbs">
        <a href={linkTo()}>Portfolio</a> / {title}
      </p>
      <div className="page-head">
        <div>
          <h1>{title}</h1>
          <p className="quiet">
            {detail}
            {property.updatedAt !== undefined && (
              <>
                {' '}
                · last updated <TimeAgo seconds={property.updatedAt} />
              </>
            )}
          </p>
        </div>
        <button type="button" className="button" onClick={() => (kept ? session.remove(id) : session.add(id))}>
          {kept ? 'Remove from portfolio' : 'Add to portfolio'}
        </button>
      </div>
      {property.phase === 'refused' && <p className="error">{property.error}</p>}
      {property.phase === 'ready' && types.length === 0 && entries.length === 0 && (
        <p className="card empty">Nothing has been reported of this property. What is will show here by itself.</p>
      )}
      <dl className="kpis kpis-few">
        {types.map((type) => (
          <div key={type.violation_type} className="card kpi" data-type={type.violation_type}>
            <dt>
              <SeverityMark severity={worstIn(type) ?? 'info'} /> {type.violation_type}
            </dt>
            <dd>
              {type.count} <span className="unit">open</span>
            </dd>
          </div>
        ))}
      </dl>
      {violations.length > 0 && (
        <section className="card" aria-labelledby="violations-title">
          <h2 id="violations-title">Violations in the latest updates</h2>
          <Scroll label="Violations, as a table">
            <table className="plain stacked">
              <thead>
                <tr>
                  <th scope="col">Severity</th>
                  <th scope="col">Type</th>
                  <th scope="col">Number</th>
                  <th scope="col">Date</th>
                  <th scope="col">Description</th>
                </tr>
              </thead>
              <tbody>
                {violations.map((violation) => (
                  <tr key={`${violation.type} ${violation.number}`}>
                    <td data-label="Severity">
                      {/* The update's own is that of the change, and of no single violation. */}
                      {violation.severity ? <SeverityMark severity={severityOf(violation.severity)} label /> : '–'}
                    </td>
                    <td data-label="Type">{violation.type}</td>
                    <td data-label="Number">{violation.number}</td>
                    <td data-label="Date">{violation.date ?? '–'}</td>
                    <td>{violation.description ?? violation.class ?? '–'}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </Scroll>
        </section>
      )}
      <section className="card" aria-labelledby="history-title">
        <h2 id="history-title">History</h2>
        {property.phase === 'loading' ? <p className="empty">Loading…</p> : <ActivityList entries={entries} here />}
        {entries.length >= HISTORY && <p className="quiet">The last {HISTORY} events.</p>}
      </section>
    </>
  );
}
