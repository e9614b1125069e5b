/** The application's token: fetched once at a time, kept while it is good, renewed before it expires. */
import type { ClientOptions, TokenReason } from './api.js';
import { type Clock, createTimer } from './clock.js';
import { type Report, wrap } from './errors.js';

/** A token that no gateway has judged yet is used again for this long, so that a failing gateway is not paid for by the token service. */
const UNTRIED_MS = 60_000;
/** Too close to its end to begin a connection with. */
const MARGIN_MS = 10_000;
/** Renewal begins at most this long before the end, and at most a quarter of the token's life; spread over half of that. */
const LEAD_MS = 60_000;
const RETRY_MS = 5_000;

/** null: signed out. undefined: this client does not authenticate by message. */
export type Token = string | null | undefined;

export interface Tokens {
  /** @throws what getToken threw */
  get(reason: TokenReason): Promise<Token>;
  /** The gateway did not take it: the next `get` fetches another. */
  refused(): void;
  /**
   * The gateway took it. Ahead of its end `use` is called with the next one.
   * @param remainingMs how long it lives, by the gateway's clock
   */
  keepFresh(remainingMs: number, use: (token: Token) => void): Renewal;
}

export interface Renewal {
  /** Renews after `ms` at the latest, instead of when it was planned. */
  within(ms: number): void;
  stop(): void;
}

export function createTokens(parts: {
  readonly getToken: ClientOptions['getToken'];
  readonly clock: Clock;
  readonly random: () => number;
  readonly report: Report;
}): Tokens {
  const { getToken, clock, random, report } = parts;
  let token: Token;
  let goodUntil = 0;
  let inFlight: Promise<Token> | undefined;

  async function fetchToken(reason: TokenReason): Promise<Token> {
    // JavaScript has no type to stop undefined, of a variable that is not set: it must not pass for a client without getToken.
    token = getToken && ((await getToken(reason)) || null);
    goodUntil = clock.now() + UNTRIED_MS;
    return token;
  }

  const tokens: Tokens = {
    get: async (reason) => {
      if (reason === 'connect' && token && clock.now() < goodUntil) return token;
      // Not inside of it: a getToken that throws at once would be remembered for ever.
      inFlight ??= fetchToken(reason).finally(() => {
        inFlight = undefined;
      });
      return inFlight;
    },
    refused: () => {
      goodUntil = 0;
    },
    keepFresh: (remainingMs, use) => {
      let stopped = false;
      const timer = createTimer(clock);
      const within = (ms: number): void => {
        timer.start(ms, () => {
          tokens.get('expiring').then(
            (fresh) => {
              if (!stopped) use(fresh);
            },
            (cause: unknown) => {
              report(wrap('token', cause));
              if (!stopped) within(RETRY_MS * (1 + random()));
            },
          );
        });
      };
      goodUntil = clock.now() + remainingMs - MARGIN_MS;
      within(Math.max(0, remainingMs - Math.min(LEAD_MS, remainingMs / 4) * (0.5 + random() / 2)));
      return {
        within,
        stop: () => {
          stopped = true;
          timer.stop();
        },
      };
    },
  };
  return tokens;
}
