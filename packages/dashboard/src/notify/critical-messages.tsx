/** The critical messages at the top right: above all that comes and goes, and no more of them than leave room for the page. */
import { useRef } from 'react';
import { Cross } from '../parts/cross.js';
import { focusNext } from '../parts/focus-next.js';
import { useKeptHeight } from '../parts/kept-height.js';
import { linkTo } from '../parts/route.js';
import { SeverityMark } from '../parts/severity-mark.js';
import { useStore } from '../state/store.js';
import type { CriticalMessages as Messages } from './critical.js';
import { titleOf } from './title.js';

/** More of them would fill a telephone. */
const SHOWN = 3;

export function CriticalMessages({ messages }: { readonly messages: Messages }) {
  const waiting = useStore(messages.waiting);
  const section = useRef<HTMLElement>(null);
  useKeptHeight(section, '--critical-height');
  const more = waiting.length - SHOWN;
  return (
    <section ref={section} className="critical-messages" aria-label="Critical updates" hidden={waiting.length === 0}>
      <ol>
        {waiting.slice(0, SHOWN).map((entry) => (
          <li key={entry.key} className="critical-message">
            <SeverityMark severity="critical" />
            <div>
              <p className="critical-title">
                Critical:{' '}
                {entry.property ? <a href={linkTo('property', entry.property)}>{titleOf(entry)}</a> : titleOf(entry)}
              </p>
              {entry.message && <p>{entry.message}</p>}
            </div>
            <button
              type="button"
              className="icon-button"
              aria-label="Dismiss"
              onClick={(event) => {
                focusNext(event);
                messages.dismiss(entry.key);
              }}
            >
              <Cross />
            </button>
          </li>
        ))}
      </ol>
      {more > 0 && (
        <p className="critical-more">
          <a href={linkTo('activity')}>{more} more critical</a>
          <button type="button" className="link" onClick={messages.dismissAll}>
            Dismiss all
          </button>
        </p>
      )}
    </section>
  );
}
