/** One property: where it is, how many violations of which type, how grave, and since when. */
import { memo } from 'react';
import { Cross } from '../parts/cross.js';
import { focusNext } from '../parts/focus-next.js';
import { linkTo } from '../parts/route.js';
import { SeverityMark } from '../parts/severity-mark.js';
import { TimeAgo } from '../parts/time-ago.js';
import { placeOf } from '../state/bbl.js';
import { type Property, worstIn } from '../state/properties.js';

interface PropertyRowProps {
  readonly property: Property;
  readonly onRemove: (id: string) => void;
}

export const PropertyRow = memo(function PropertyRow({ onRemove, property }: PropertyRowProps) {
  const { changes, error, id, open, phase, severity, types, updatedAt } = property;
  const { detail, title } = placeOf(id);
  return (
    <li className="property-row" data-property={id} data-phase={phase}>
      <SeverityMark severity={severity ?? 'info'} />
      <div className="property-name">
        <a href={linkTo('property', id)}>{title}</a>
        <span className="quiet">{detail}</span>
      </div>
      <div className="badges">
        {phase === 'ready' && open === 0 && <span className="badge badge-clear">Nothing open</span>}
        {[...types.values()]
          .filter(({ count }) => count > 0)
          .map((type) => (
            <span key={type.violation_type} className={`badge badge-${worstIn(type)}`}>
              {type.violation_type} <b>{type.count}</b>
            </span>
          ))}
      </div>
      <div className="property-open">
        {/* A new key is a new element: its animation runs once for every change. */}
        <b key={changes} className={changes > 0 ? 'flash' : undefined} data-open={open}>
          {phase === 'ready' ? open : '–'}
        </b>
        <span className="quiet">open</span>
      </div>
      <span className="property-updated quiet">
        {phase === 'refused' ? (
          <span className="error">{error}</span>
        ) : updatedAt ? (
          <TimeAgo seconds={updatedAt} />
        ) : phase === 'loading' ? (
          'Loading'
        ) : (
          'No changes yet'
        )}
      </span>
      <button
        type="button"
        className="icon-button"
        aria-label={`Remove ${title}`}
        onClick={(event) => {
          focusNext(event);
          onRemove(id);
        }}
      >
        <Cross />
      </button>
    </li>
  );
});
