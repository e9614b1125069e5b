/** Signing in: a token, and which gateway to bring it to. */
import { type FormEvent, useState } from 'react';
import { Logo } from '../parts/logo.js';
import { gatewayError } from '../session/config.js';
import { tokenError } from '../session/token.js';

export interface SignInInput {
  readonly token: string;
  readonly gateway: string;
  readonly remember: boolean;
}

interface SignInProps {
  readonly gateway: string;
  /** What was wrong with the token before. */
  readonly wrong: string | undefined;
  readonly onSignIn: (input: SignInInput) => void;
}

export function SignIn({ gateway: preset, onSignIn, wrong: before }: SignInProps) {
  const [token, setToken] = useState('');
  const [gateway, setGateway] = useState(preset);
  const [remember, setRemember] = useState(false);
  const [error, setError] = useState(before);

  function submit(event: FormEvent): void {
    event.preventDefault();
    const wrong = tokenError(token) ?? gatewayError(gateway);
    setError(wrong);
    if (!wrong) onSignIn({ token: token.trim(), gateway, remember });
  }

  return (
    <main className="sign-in">
      <form className="card sign-in-card" onSubmit={submit} noValidate>
        <Logo />
        <h1>Sign in</h1>
        <p className="quiet">What changes at your properties, the moment it changes.</p>
        <label htmlFor="token">Access token</label>
        <textarea
          id="token"
          rows={4}
          spellCheck={false}
          autoComplete="off"
          placeholder="eyJ…"
          value={token}
          onChange={({ target }) => setToken(target.value)}
          aria-invalid={error !== undefined}
          aria-describedby="sign-in-error"
        />
        <label htmlFor="gateway">Gateway</label>
        <input id="gateway" type="url" value={gateway} onChange={({ target }) => setGateway(target.value)} />
        <label className="check">
          <input type="checkbox" checked={remember} onChange={({ target }) => setRemember(target.checked)} />
          Stay signed in on this device
        </label>
        <p id="sign-in-error" className="error" role="alert">
          {error}
        </p>
        <button type="submit" className="button primary">
          Sign in
        </button>
      </form>
    </main>
  );
}
