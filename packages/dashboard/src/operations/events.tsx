/** Every event of the cluster, as it happens: the channel `global`. */
import type { EventMessage } from '@belfry/client';
import { useEffect, useState } from 'react';
import { useSigned } from '../parts/context.js';
import { SeverityMark } from '../parts/severity-mark.js';
import { severityOf } from '../state/severity.js';

const LIMIT = 200;
const SHOW_EVERY_MS = 200;
const clock = new Intl.DateTimeFormat('en', { timeStyle: 'medium', hourCycle: 'h23' });

export function EventsPage() {
  const { session } = useSigned();
  const [events, setEvents] = useState<readonly EventMessage[]>([]);
  const [count, setCount] = useState(0);
  const [error, setError] = useState<string>();
  const [filter, setFilter] = useState('');
  const [stopped, setStopped] = useState(false);
  const [frozen, setFrozen] = useState<readonly EventMessage[]>();

  useEffect(() => {
    let fresh: EventMessage[] = [];
    let total = 0;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const show = (): void => {
      timer = undefined;
      const batch = fresh.toReversed();
      fresh = [];
      setEvents((was) => [...batch, ...was].slice(0, LIMIT));
      setCount(total);
    };
    const leave = session.client.subscribe('global', {
      rewind: 20,
      onEvent: (event) => {
        total += 1;
        fresh.push(event);
        if (fresh.length > LIMIT) fresh.shift();
        timer ??= setTimeout(show, SHOW_EVERY_MS);
      },
      onError: ({ message }) => setError(message),
    });
    return () => {
      clearTimeout(timer);
      leave();
    };
  }, [session]);

  const wanted = filter.trim().toLowerCase();
  const shown = (frozen ?? events).filter(
    (event) => wanted === '' || JSON.stringify(event).toLowerCase().includes(wanted),
  );
  return (
    <section className="card" aria-labelledby="events-title">
      <div className="card-head">
        <h2 id="events-title">
          Live events <span className="count">{count}</span>
        </h2>
        <div className="toolbar">
          <input
            type="search"
            placeholder="Filter"
            aria-label="Filter events"
            value={filter}
            onChange={({ target }) => setFilter(target.value)}
          />
          <button
            type="button"
            className="button"
            aria-pressed={stopped}
            onClick={() => {
              setStopped(!stopped);
              setFrozen(stopped ? undefined : events);
            }}
          >
            {stopped ? 'Go on' : 'Hold still'}
          </button>
        </div>
      </div>
      {error && <p className="error">{error}</p>}
      {shown.length === 0 && <p className="empty">Listening. Events show here as they happen.</p>}
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard */}
      <ol className="event-log" tabIndex={0} aria-label="Events, newest first">
        {shown.map((event) => (
          <li key={`${event.channel} ${event.id}`} data-event={event.id}>
            <SeverityMark severity={severityOf(event.severity)} />
            <time>{clock.format(event.timestamp * 1000)}</time>
            <code>{event.channel === 'global' ? String(event.property_id ?? 'global') : event.channel}</code>
            <span className="tag">{event.type}</span>
            <span>{String(event.message ?? '')}</span>
          </li>
        ))}
      </ol>
      <p className="quiet">The last {LIMIT} are shown.</p>
    </section>
  );
}
