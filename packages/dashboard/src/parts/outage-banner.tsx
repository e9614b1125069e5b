/** Says in a sentence that what is shown may be old, once that has lasted longer than a blink. */
import { useEffect, useState } from 'react';
import { useStore } from '../state/store.js';
import { useSigned } from './context.js';
import { clockTime } from './now.js';

const PATIENCE_MS = 2_500;

export function OutageBanner() {
  const { session } = useSigned();
  const { mode, reason, status } = useStore(session.live.status, ({ connection }) => connection);
  const live = mode === 'live' || status === 'initial';
  const [since, setSince] = useState<number>();
  useEffect(() => {
    if (live) {
      setSince(undefined);
      return undefined;
    }
    const began = Date.now();
    const timer = setTimeout(() => setSince(began), PATIENCE_MS);
    return () => clearTimeout(timer);
  }, [live]);
  if (live || (since === undefined && status !== 'disconnected')) return null;
  const offline = !navigator.onLine;
  const what =
    status === 'disconnected'
      ? `Disconnected${reason ? `: ${reason.message}` : ''}.`
      : offline
        ? 'This device is offline.'
        : 'The connection is interrupted.';
  const effect =
    mode === 'polling'
      ? 'Current numbers are fetched every few seconds until it is back.'
      : `Shown is how things were${since ? ` at ${clockTime(since)}` : ''}. Nothing will be missed.`;
  return (
    <div className={`banner banner-${status === 'disconnected' ? 'bad' : 'waiting'}`}>
      {what} {effect}
    </div>
  );
}
