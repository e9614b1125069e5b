/** Debug mode's panel: the connection, its frames, and a copy of both for whoever helps. */
import { useState } from 'react';
import { useSigned } from '../parts/context.js';
import { useStore } from '../state/store.js';

export function DebugPanel() {
  const { session } = useSigned();
  const entries = useStore(session.frames.entries);
  const connection = useStore(session.live.status, ({ connection }) => connection);
  const [trip, setTrip] = useState<number>();
  const [copied, setCopied] = useState<string>();
  const counters = session.frames.counters();

  async function copy(): Promise<void> {
    const text = JSON.stringify({ gateways: session.gateways, connection, counters, frames: entries }, null, 2);
    try {
      await navigator.clipboard.writeText(text);
      setCopied('Copied');
    } catch {
      setCopied('The browser does not allow it');
    }
  }

  async function ping(): Promise<void> {
    const sent = performance.now();
    await session.client.ping().catch(() => undefined);
    setTrip(Math.round(performance.now() - sent));
  }

  return (
    <section className="debug" aria-labelledby="debug-panel-title">
      <div className="card-head">
        <h2 id="debug-panel-title">Frames</h2>
        <span className="quiet">
          {connection.status} · {connection.mode} · {counters.in} in, {counters.out} out, {counters.bytes} bytes
          {trip !== undefined && ` · round trip ${trip} ms`}
        </span>
        <div className="actions">
          <button type="button" className="button" onClick={() => void ping()}>
            Ping
          </button>
          <button type="button" className="button" onClick={() => void copy()}>
            Copy
          </button>
          <button type="button" className="button" onClick={session.frames.clear}>
            Clear
          </button>
          <button type="button" className="button" onClick={() => session.frames.setOn(false)}>
            Close
          </button>
          <span role="status">{copied}</span>
        </div>
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reachable by keyboard */}
      <ol className="frames" tabIndex={0} aria-label="Frames, newest first">
        {entries.toReversed().map((entry) => (
          <li key={entry.n} className={`frame frame-${entry.direction}`}>
            <span aria-hidden="true">{entry.direction === 'in' ? '◀' : '▶'}</span>
            <span className="hidden">{entry.direction === 'in' ? 'received' : 'sent'}</span>
            <code>{entry.text}</code>
          </li>
        ))}
      </ol>
    </section>
  );
}
