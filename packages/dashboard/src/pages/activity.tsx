/** All activity of this session, and what was kept of earlier ones. */
import { useState } from 'react';
import { ActivityList } from '../parts/activity-list.js';
import { useSigned } from '../parts/context.js';
import { ACTIVITY_LIMIT } from '../state/activity.js';
import { rank, SEVERITIES, SEVERITY_NAMES } from '../state/severity.js';
import { useStore } from '../state/store.js';

export function ActivityPage() {
  const { session } = useSigned();
  const activity = useStore(session.live.view, ({ activity }) => activity);
  const missed = useStore(session.live.status, ({ missed }) => missed);
  const incomplete = useStore(session.live.status, ({ incomplete }) => incomplete);
  const [least, setLeast] = useState(0);
  const [onlyMissed, setOnlyMissed] = useState(false);
  const shown = activity.filter(
    ({ origin, severity }) => rank(severity) >= least && (!onlyMissed || origin === 'replay'),
  );
  return (
    <>
      <div className="page-head">
        <div>
          <h1>Activity</h1>
          <p className="quiet">
            {missed > 0 ? `${missed} ${missed === 1 ? 'event' : 'events'} came while you were away. ` : ''}The last{' '}
            {ACTIVITY_LIMIT} events are kept.
          </p>
          {incomplete && (
            <p role="status">
              More happened while you were away than is kept. The numbers are right; this list is not complete.
            </p>
          )}
        </div>
        <div className="toolbar">
          <label className="check">
            <input type="checkbox" checked={onlyMissed} onChange={({ target }) => setOnlyMissed(target.checked)} />
            While away
          </label>
          <select aria-label="Severity" value={least} onChange={({ target }) => setLeast(Number(target.value))}>
            {SEVERITIES.map((severity, index) => (
              <option key={severity} value={index}>
                {index === 0 ? 'All severities' : `${SEVERITY_NAMES[severity]}${index < 4 ? ' and above' : ' only'}`}
              </option>
            ))}
          </select>
        </div>
      </div>
      <section className="card" aria-label="Events">
        <ActivityList
          entries={shown}
          {...(activity.length > 0 ? { none: 'None of the events is of this kind.' } : {})}
        />
      </section>
    </>
  );
}
