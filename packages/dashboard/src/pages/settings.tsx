/** Where this page is connected to, how it looks, and what helps when something is wrong. */
import { type FormEvent, useState } from 'react';
import { useSigned } from '../parts/context.js';
import { fullTime } from '../parts/now.js';
import type { Theme } from '../parts/theme.js';
import { gatewayError } from '../session/config.js';
import { useStore } from '../state/store.js';

export function SettingsPage() {
  const { moveTo, session, signOut, theme } = useSigned();
  const themeNow = useStore(theme);
  const debug = useStore(session.frames.on);
  const monitored = useStore(session.portfolio, (ids) => ids.length);
  const user = useStore(session.live.status, ({ user }) => user);
  const [gateway, setGateway] = useState(session.gateways[0] ?? '');
  const [error, setError] = useState<string>();

  function submit(event: FormEvent): void {
    event.preventDefault();
    const wrong = gatewayError(gateway);
    setError(wrong);
    if (!wrong) moveTo(gateway);
  }

  return (
    <>
      <h1>Settings</h1>
      <div className="halves halves-even">
        <section className="card form" aria-labelledby="connection-title">
          <h2 id="connection-title">Connection</h2>
          <form className="form" onSubmit={submit} noValidate>
            <label htmlFor="gateway-url">Gateway</label>
            <div className="inline">
              <input
                id="gateway-url"
                type="url"
                value={gateway}
                onChange={({ target }) => setGateway(target.value)}
                aria-describedby="gateway-error"
              />
              <button type="submit" className="button">
                Connect
              </button>
            </div>
            <p id="gateway-error" className="error" role="alert">
              {error}
            </p>
          </form>
          <dl className="facts">
            <div>
              <dt>Properties monitored</dt>
              <dd data-fact="monitored">{monitored}</dd>
            </div>
            <div>
              <dt>Gateways known</dt>
              <dd>{session.gateways.join(', ')}</dd>
            </div>
            <div>
              <dt>Signed in as</dt>
              <dd>
                {user?.id ?? session.claims.userId}
                {user?.role ? ` · ${user.role}` : ''}
              </dd>
            </div>
            {session.claims.expiresAt !== undefined && (
              <div>
                <dt>Until</dt>
                <dd>{fullTime(session.claims.expiresAt / 1000)}</dd>
              </div>
            )}
          </dl>
          <button type="button" className="button" onClick={signOut}>
            Sign out
          </button>
        </section>
        <div className="side">
          <section className="card form" aria-labelledby="look-title">
            <h2 id="look-title">Appearance</h2>
            <label htmlFor="theme">Theme</label>
            <select id="theme" value={themeNow} onChange={({ target }) => theme.set(target.value as Theme)}>
              <option value="system">As the system</option>
              <option value="light">Light</option>
              <option value="dark">Dark</option>
            </select>
          </section>
          <section className="card form" aria-labelledby="debug-title">
            <h2 id="debug-title">Debugging</h2>
            <label className="check">
              <input type="checkbox" checked={debug} onChange={({ target }) => session.frames.setOn(target.checked)} />
              Debug mode: show every frame, here and in the browser’s console
            </label>
          </section>
        </div>
      </div>
    </>
  );
}
