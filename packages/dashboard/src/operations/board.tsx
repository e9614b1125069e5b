/** A state board: of each key, only the newest event. */
import type { EventMessage } from '@belfry/client';
import { type FormEvent, useEffect, useState } from 'react';
import { useSigned } from '../parts/context.js';
import { fullTime } from '../parts/now.js';
import { TimeAgo } from '../parts/time-ago.js';

const HIDDEN_FIELDS = new Set(['id', 'channel', 'type', 'timestamp', 'key']);
const keyOf = (event: EventMessage): string => String(event.key ?? event.type);

type Field = readonly [name: string, value: string];

/** Names as people write them; what is called a time is shown as one. */
const fieldsOf = (event: EventMessage): Field[] =>
  Object.entries(event)
    .filter(([name, value]) => !HIDDEN_FIELDS.has(name) && value !== event.key)
    .map(([name, value]) => [name.replaceAll('_', ' '), shownAs(name, value)]);

function shownAs(name: string, value: unknown): string {
  if (typeof value === 'number' && /(^since|_(at|as_of))$/.test(name)) return fullTime(value);
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

export function BoardPage() {
  const { session } = useSigned();
  const [name, setName] = useState('sources');
  const [text, setText] = useState(name);
  const [rows, setRows] = useState<ReadonlyMap<string, EventMessage>>(new Map());
  const [error, setError] = useState<string>();

  useEffect(() => {
    setRows(new Map());
    setError(undefined);
    return session.client.subscribe(`state:${name}`, {
      onState: ({ events }) => setRows(new Map(events.map((event) => [keyOf(event), event]))),
      onEvent: (event, { covered }) => {
        if (!covered) setRows((was) => new Map(was).set(keyOf(event), event));
      },
      onError: ({ message }) => setError(message),
    });
  }, [session, name]);

  function submit(event: FormEvent): void {
    event.preventDefault();
    if (!/^[\w-]{1,64}$/.test(text.trim())) return setError('A board’s name has letters, digits, _ and - only.');
    setName(text.trim());
  }

  return (
    <section className="card" aria-labelledby="board-title">
      <div className="card-head">
        <h2 id="board-title">Board {name}</h2>
        <form className="toolbar" onSubmit={submit}>
          <input aria-label="Board" value={text} onChange={({ target }) => setText(target.value)} />
          <button type="submit" className="button">
            Show
          </button>
        </form>
      </div>
      {error && (
        <p className="error" role="alert">
          {error}
        </p>
      )}
      {rows.size === 0 && !error && <p className="empty">Nothing is on this board yet.</p>}
      <ul className="board">
        {[...rows].map(([key, event]) => (
          <li key={key} data-key={key}>
            <b>{key}</b>
            <dl>
              {fieldsOf(event).map(([field, value]) => (
                <div key={field}>
                  <dt>{field}</dt>
                  <dd>{value}</dd>
                </div>
              ))}
            </dl>
            <span className="quiet">
              <TimeAgo seconds={event.timestamp} />
            </span>
          </li>
        ))}
      </ul>
    </section>
  );
}
