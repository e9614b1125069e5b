/** Signed out or signed in: the token decides, and is kept for this tab or, if wanted, for this browser. */
import { useCallback, useEffect, useState } from 'react';
import { createNotices } from './notify/notices.js';
import { SignIn, type SignInInput } from './pages/sign-in.js';
import { type Signed, SignedContext } from './parts/context.js';
import type { Theme } from './parts/theme.js';
import type { Config, Prefill } from './session/config.js';
import { type Credentials, forget, keep, recall } from './session/credentials.js';
import { openSession } from './session/session.js';
import { readToken, tokenError } from './session/token.js';
import { Shell } from './shell.js';
import { createStore, type Store } from './state/store.js';

export interface AppProps {
  readonly config: Config;
  readonly prefill: Prefill;
  readonly theme: Store<Theme>;
}

export function App({ config, prefill, theme }: AppProps) {
  // Whoever brings a token means that one, also where it is none.
  const [wrong, setWrong] = useState(() => (prefill.token ? tokenError(prefill.token) : undefined));
  const [credentials, setCredentials] = useState<Credentials | undefined>(() => {
    if (!prefill.token) return recall();
    if (wrong !== undefined) return undefined;
    return {
      token: prefill.token,
      gateways: prefill.gateway ? [prefill.gateway] : config.gateways,
      remembered: false,
      operatorToken: prefill.operator,
    };
  });
  const [gateway, setGateway] = useState(prefill.gateway || (config.gateways[0] ?? ''));
  const [signed, setSigned] = useState<Signed>();

  const signOut = useCallback(() => {
    forget();
    setWrong(undefined);
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
      onRefused: (why) => {
        // Not another one that this browser keeps: a link may have brought this.
        forget(current.token);
        setWrong(`The gateway refused this token: ${why}.`);
        setGateway(current.gateways[0] ?? '');
        setCredentials(undefined);
      },
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
    return <SignIn gateway={gateway} wrong={wrong} onSignIn={signIn} />;
  }
  if (!signed) return null;
  return (
    <SignedContext value={signed}>
      <Shell />
    </SignedContext>
  );
}
