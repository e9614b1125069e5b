/** Signed out or signed in: the token decides, and is kept for this tab or, if wanted, for this browser. */
import { useCallback, useEffect, useState } from 'react';
import { createNotices } from './notify/notices.js';
import { SignIn, type SignInInput } from './pages/sign-in.js';
import { type Signed, SignedContext } from './parts/context.js';
import type { Theme } from './parts/theme.js';
import type { Config, Prefill } from './session/config.js';
import { type Credentials, forget, keep, recall } from './session/credentials.js';
import { openSession } from './session/session.js';
import { readToken } from './session/token.js';
import { Shell } from './shell.js';
import { createStore, type Store } from './state/store.js';

export interface AppProps {
  readonly config: Config;
  readonly prefill: Prefill;
  readonly theme: Store<Theme>;
}

export function App({ config, prefill, theme }: AppProps) {
  const [credentials, setCredentials] = useState<Credentials | undefined>(() =>
    prefill.token && readToken(prefill.token)
      ? {
          token: prefill.token,
          gateways: prefill.gateway ? [prefill.gateway] : config.gateways,
          remembered: false,
          operatorToken: prefill.operator,
        }
      : recall(),
  );
  const [signed, setSigned] = useState<Signed>();

  const signOut = useCallback(() => {
    forget();
    setCredentials(undefined);
  }, []);

  // A session is a connection: opened in an effect, so that it is closed again whatever React does.
  useEffect(() => {
    const claims = credentials && readToken(credentials.token);
    if (!credentials || !claims) return undefined;
    let current = credentials;
    const update = (change: Partial<Credentials>): void => {
      current = { ...current, ...change };
      keep(current);
    };
    keep(current);
    const session = openSession({
      token: current.token,
      claims,
      gateways: current.gateways,
      publisher: config.publisher,
      storage: localStorage,
      onToken: (token) => update({ token }),
    });
    const operatorToken = createStore(current.operatorToken);
    operatorToken.subscribe(() => update({ operatorToken: operatorToken.get() }));
    setSigned({
      session,
      notices: createNotices(session.saved),
      theme,
      operators: config.operators,
      operatorToken,
      signOut,
      moveTo: (gateway) => setCredentials({ ...current, gateways: [gateway] }),
    });
    return () => {
      session.dispose();
      setSigned(undefined);
    };
  }, [credentials, config, theme, signOut]);

  if (!credentials || !readToken(credentials.token)) {
    const signIn = ({ gateway, remember, token }: SignInInput): void =>
      setCredentials({
        token,
        gateways: config.gateways.includes(gateway) ? config.gateways : [gateway],
        remembered: remember,
        operatorToken: prefill.operator,
      });
    return <SignIn gateway={prefill.gateway || (config.gateways[0] ?? '')} onSignIn={signIn} />;
  }
  if (!signed) return null;
  return (
    <SignedContext value={signed}>
      <Shell />
    </SignedContext>
  );
}
