/** Asks for a newer token before the old one ends, and again when it has; what is shown stays. */
import { type FormEvent, useEffect, useRef, useState } from 'react';
import { useStore } from '../state/store.js';
import { useSigned } from './context.js';

export function RenewalDialog() {
  const { session, signOut } = useSigned();
  const { phase, why } = useStore(session.renewal);
  const dialog = useRef<HTMLDialogElement>(null);
  const [token, setToken] = useState('');
  const [error, setError] = useState<string>();

  useEffect(() => {
    if (phase === 'none') dialog.current?.close();
    else if (!dialog.current?.open) dialog.current?.show();
  }, [phase]);

  function submit(event: FormEvent): void {
    event.preventDefault();
    const wrong = session.renew(token);
    setError(wrong);
    if (!wrong) setToken('');
  }

  return (
    <dialog ref={dialog} className="card renewal" aria-labelledby="renewal-title">
      <form onSubmit={submit}>
        <h2 id="renewal-title">{phase === 'ended' ? 'Your session has ended' : 'Your session ends soon'}</h2>
        {why && <p>The gateway said: {why}.</p>}
        <p className="quiet">Enter a new token to go on where you are. Nothing that happens meanwhile is lost.</p>
        <label htmlFor="renewal-token">New access token</label>
        <textarea
          id="renewal-token"
          rows={3}
          spellCheck={false}
          value={token}
          onChange={({ target }) => setToken(target.value)}
        />
        <p className="error" role="alert">
          {error}
        </p>
        <div className="actions">
          <button type="submit" className="button primary">
            Continue
          </button>
          <button type="button" className="button" onClick={signOut}>
            Sign out
          </button>
        </div>
      </form>
    </dialog>
  );
}
