/** Whether what is shown is live: by shape, word and colour, with what happens next and a way to hurry it. */
import type { ConnectionState } from '@belfry/client';
import { useEffect, useState } from 'react';
import { useStore } from '../state/store.js';
import { useSigned } from './context.js';

type Tone = 'good' | 'waiting' | 'bad';

const SHAPES: Readonly<Record<Tone, string>> = {
  good: 'M8 2a6 6 0 1 0 0 12A6 6 0 0 0 8 2z',
  waiting: 'M8 2l6.500 11.500h-13z',
  bad: 'M3 3h10v10H3z',
};

function describe({ attempt, mode, status }: ConnectionState): { tone: Tone; word: string } {
  if (status === 'connected') return { tone: 'good', word: 'Connected' };
  if (status === 'disconnected') return { tone: 'bad', word: 'Disconnected' };
  if (mode === 'polling') return { tone: 'waiting', word: `Polling · attempt ${attempt}` };
  if (status === 'reconnecting' || attempt > 0) {
    return { tone: 'waiting', word: `Reconnecting · attempt ${Math.max(1, attempt)}` };
  }
  return { tone: 'waiting', word: 'Connecting' };
}

/** Whole seconds until `at`; undefined when there is nothing to wait for. */
function useCountdown(at: number | undefined): number | undefined {
  const [now, setNow] = useState(Date.now);
  useEffect(() => {
    if (at === undefined) return undefined;
    setNow(Date.now());
    const timer = setInterval(() => setNow(Date.now()), 250);
    return () => clearInterval(timer);
  }, [at]);
  return at === undefined ? undefined : Math.max(0, Math.ceil((at - now) / 1000));
}

export function StatusChip() {
  const { session } = useSigned();
  const connection = useStore(session.live.status, ({ connection }) => connection);
  const { tone, word } = describe(connection);
  const seconds = useCountdown(tone === 'waiting' ? connection.retryAt : undefined);
  return (
    <div className={`status status-${tone}`} data-status={connection.status} data-mode={connection.mode}>
      <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
        <path d={SHAPES[tone]} fill="currentColor" />
      </svg>
      <span role="status">{word}</span>
      {seconds !== undefined && <span className="countdown">{seconds > 0 ? `in ${seconds} s` : 'now'}</span>}
      {seconds !== undefined && (
        <button type="button" className="link" onClick={() => session.client.retryNow()}>
          Try now
        </button>
      )}
      {tone === 'bad' && (
        <button type="button" className="link" onClick={() => session.client.connect()}>
          Connect
        </button>
      )}
    </div>
  );
}
