/** An operator's token: another audience than a client's, kept for this tab only. */
import { type FormEvent, useState } from 'react';
import { useSigned } from '../parts/context.js';
import { tokenError } from '../session/token.js';

export function OperatorSignIn() {
  const { operatorToken } = useSigned();
  const [token, setToken] = useState('');
  const [error, setError] = useState<string>();

  function submit(event: FormEvent): void {
    event.preventDefault();
    const wrong = tokenError(token);
    if (wrong) return setError(wrong);
    operatorToken.set(token.trim());
  }

  return (
    <form className="card form" onSubmit={submit}>
      <h2>Operator’s token</h2>
      <p className="quiet">
        Looking into the cluster and acting on it needs a token whose audience is <code>belfry-operators</code>. It is
        kept for this tab only.
      </p>
      <label htmlFor="operator-token">Token</label>
      <textarea
        id="operator-token"
        rows={3}
        spellCheck={false}
        value={token}
        onChange={({ target }) => setToken(target.value)}
      />
      <p className="error" role="alert">
        {error}
      </p>
      <button type="submit" className="button primary">
        Continue
      </button>
    </form>
  );
}
