/** One user's stay: the SDK's client with the token that was pasted, what it shows, and what the browser keeps. */
import { type Client, createClient } from '@belfry/client';
import { createLive, type Live } from '../state/live.js';
import { createStore, type Store } from '../state/store.js';
import { createFrameLog, type FrameLog } from './frame-log.js';
import { keepPortfolio } from './kept-portfolio.js';
import { createSaved, type Saved } from './saved.js';
import { isOver, readToken, type TokenClaims, tokenError } from './token.js';

export interface Renewal {
  /** `asked`: the token ends soon; `ended`: it has, or is accepted no longer. */
  readonly phase: 'none' | 'asked' | 'ended';
  /** Why it is accepted no longer, in the gateway's words. */
  readonly why?: string;
}

export interface Session {
  readonly client: Client;
  readonly live: Live;
  readonly saved: Saved;
  readonly frames: FrameLog;
  readonly claims: TokenClaims;
  readonly gateways: readonly string[];
  /** Ids of the properties that are monitored, in the order in which they were added. */
  readonly portfolio: Store<readonly string[]>;
  readonly renewal: Store<Renewal>;
  readonly token: () => string;
  /** @returns what is wrong with the new token, for people */
  renew(token: string): string | undefined;
  add(id: string): void;
  remove(id: string): void;
  dispose(): void;
}

export interface SessionParts {
  readonly token: string;
  readonly claims: TokenClaims;
  readonly gateways: readonly string[];
  /** Address of a publisher; empty: the portfolio stays in the browser. */
  readonly publisher: string;
  readonly storage: Storage;
  readonly onToken: (token: string) => void;
  /** The first token was not accepted: there is no session. `why` are the gateway's words. */
  readonly onRefused: (why: string) => void;
}

export function openSession(parts: SessionParts): Session {
  const { gateways, storage } = parts;
  let { claims, token } = parts;
  const scope = `${new URL(gateways[0] ?? '').host}:${claims.userId}`;
  const saved = createSaved(storage, scope);
  const renewal = createStore<Renewal>({ phase: 'none' });
  /** Why a gateway does not take it, whatever it says of itself: revoked, or its clock is another. */
  let refused: string | undefined;
  let accepted = false;
  /** Waits for a newer token, until this one ends. */
  let waiting: ((token: string | null) => void) | undefined;

  const end = (): void => renewal.set({ phase: 'ended', ...(refused !== undefined && { why: refused }) });

  const client = createClient({
    url: [...gateways],
    storage: saved.positions,
    share: `belfry-dashboard:${scope}`,
    getToken: (reason) => {
      if (refused !== undefined || isOver(claims)) {
        end();
        return null;
      }
      if (reason === 'connect') return token;
      renewal.set({ phase: 'asked' });
      return new Promise((resolve) => {
        const timer = setTimeout(() => settle(null), Math.max(0, (claims.expiresAt ?? 0) - Date.now()));
        const settle = (next: string | null): void => {
          clearTimeout(timer);
          waiting = undefined;
          if (next === null) end();
          resolve(next);
        };
        waiting = settle;
      });
    },
  });
  client.on('user', () => {
    accepted = true;
  });
  client.on('error', ({ code, message }) => {
    if (code !== 'token_invalid' && code !== 'token_expired') return;
    refused = message;
    if (!accepted) parts.onRefused(message);
  });
  const frames = createFrameLog(client);
  const portfolio = createStore<readonly string[]>(saved.read('portfolio', claims.properties));
  const live = createLive({ client, saved, properties: portfolio.get(), now: Date.now });

  function setPortfolio(next: readonly string[]): void {
    portfolio.set(next);
    saved.write('portfolio', next);
  }

  function add(id: string): void {
    if (portfolio.get().includes(id)) return;
    setPortfolio([...portfolio.get(), id]);
    live.add(id);
  }

  function adopt(properties: readonly string[]): void {
    const was = portfolio.get();
    for (const id of was) if (!properties.includes(id)) live.remove(id);
    setPortfolio(properties);
    for (const id of properties) live.add(id);
  }

  const stopKeeping = parts.publisher
    ? keepPortfolio({
        publisher: new URL(parts.publisher, document.baseURI).href,
        token: () => token,
        portfolio,
        saved,
        fetch: globalThis.fetch.bind(globalThis),
        adopt,
      })
    : undefined;

  return {
    client,
    live,
    saved,
    frames,
    claims,
    gateways,
    portfolio,
    renewal,
    token: () => token,
    renew: (text) => {
      const next = readToken(text);
      const wrong = tokenError(text);
      if (!next || wrong) return wrong;
      if (next.userId !== claims.userId) return `This token is of another user: ${next.userId}.`;
      token = text.trim();
      claims = next;
      refused = undefined;
      renewal.set({ phase: 'none' });
      parts.onToken(token);
      if (waiting) waiting(token);
      else client.connect();
      return undefined;
    },
    add,
    remove: (id) => {
      setPortfolio(portfolio.get().filter((other) => other !== id));
      live.remove(id);
    },
    dispose: () => {
      stopKeeping?.();
      waiting?.(null);
      live.dispose();
      frames.dispose();
      client.dispose();
    },
  };
}
