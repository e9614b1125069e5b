/** Says in a sentence that what is shown may be old, once that has lasted longer than a blink. */
import { useEffect, useState } from 'react';
import { outageOf } from '../state/outage.js';
import { anyReady } from '../state/properties.js';
import { useStore } from '../state/store.js';
import { useSigned } from './context.js';

const PATIENCE_MS = 2_500;

export function OutageBanner() {
  const { session } = useSigned();
  const { mode, reason, status } = useStore(session.live.status, ({ connection }) => connection);
  const user = useStore(session.live.status, ({ user }) => user);
  const polled = useStore(session.live.view, ({ properties }) => anyReady(properties.values()));
  const renewal = useStore(session.renewal);
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
  const text = outageOf({
    mode,
    status,
    why: renewal.phase === 'ended' ? (renewal.why ?? 'the token has expired') : reason?.message,
    online: navigator.onLine,
    received: user !== undefined || polled,
    since,
  });
  return <div className={`banner banner-${status === 'disconnected' ? 'bad' : 'waiting'}`}>{text}</div>;
}
