/** Events as a plain list: what, where, how grave, how long ago. */
import { memo } from 'react';
import { sourceOf } from '../notify/title.js';
import type { Activity } from '../state/activity.js';
import { linkTo } from './route.js';
import { SeverityMark } from './severity-mark.js';
import { TimeAgo } from './time-ago.js';

interface EntryProps {
  readonly entry: Activity;
  /** On the page of the property itself: where it happened goes without saying. */
  readonly here: boolean;
}

const Entry = memo(function Entry({ entry, here }: EntryProps) {
  return (
    <li
      className={`activity${entry.severity === 'critical' ? ' activity-critical' : ''}`}
      data-key={entry.key}
      data-origin={entry.origin}
    >
      <SeverityMark severity={entry.severity} />
      <div className="activity-body">
        <p className="activity-head">
          {here ? null : entry.property ? (
            <a href={linkTo('property', entry.property)}>{sourceOf(entry)}</a>
          ) : (
            <span>{sourceOf(entry)}</span>
          )}
          {entry.severity === 'critical' && <span className="tag tag-critical">Critical</span>}
          <span className="tag">{entry.label}</span>
          {entry.origin === 'replay' && <span className="tag tag-missed">While away</span>}
        </p>
        {entry.message && <p className="activity-text">{entry.message}</p>}
      </div>
      <span className="activity-time">
        <TimeAgo seconds={entry.timestamp} />
      </span>
    </li>
  );
});

interface ActivityListProps {
  readonly entries: readonly Activity[];
  readonly here?: boolean;
  /** What to say where there are none. */
  readonly none?: string;
}

const NOTHING_YET = 'Nothing has happened yet. It will show here by itself.';

export function ActivityList({ entries, here = false, none = NOTHING_YET }: ActivityListProps) {
  if (entries.length === 0) return <p className="empty">{none}</p>;
  return (
    <ol className="activities">
      {entries.map((entry) => (
        <Entry key={entry.key} entry={entry} here={here} />
      ))}
    </ol>
  );
}
