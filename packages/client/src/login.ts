/** Who we are to the gateway: the token that is shown to it, what it says of us, and another token before that one ends. */
import type {
  AuthenticatedMessage,
  ClientMessage,
  ErrorMessage,
  GatewayMessage,
  WelcomeMessage,
} from '@belfry/shared/protocol';
import type { User } from './api.js';
import type { Clock } from './clock.js';
import type { Emitter } from './emitter.js';
import { errorOf } from './requests.js';
import type { Renewal, Token, Tokens } from './tokens.js';

/** A short-lived token is announced to expire as soon as it is accepted; such an announcement changes no plan. */
const YOUNG_MS = 10_000;
const AGAIN_MS = 5_000;
const AUTHENTICATION = 'auth';

export interface Login {
  readonly token: Token;
  readonly user: User | undefined;
  /** @throws what getToken throws */
  fetch(): Promise<Token>;
  welcomed(message: WelcomeMessage): void;
  /** Shows the token; there must be one. */
  authenticate(): void;
  /**
   * @param own false where another tab holds the connection: renewing the token is its affair
   * @returns true when the message was about the token
   */
  receive(message: GatewayMessage, own: boolean): boolean;
  end(): void;
}

/** What is for the user comes by itself. What else a token may read is asked for where it is shown: nothing comes unused, or twice. */
const JOINED = ['user', 'role'] as const;

export function createLogin(parts: {
  readonly clock: Clock;
  readonly tokens: Tokens;
  readonly emitter: Emitter;
  readonly send: (message: ClientMessage) => void;
  readonly accepted: () => void;
  /** The token was refused, and this connection is of no use without another. @returns false where it still is */
  readonly rejected: (message: ErrorMessage) => boolean;
  readonly signedOut: () => void;
}): Login {
  const { clock, tokens, send } = parts;
  const { emit, report } = parts.emitter;
  let token: Token;
  let renewal: Renewal | undefined;
  /** How far the gateway's clock is ahead of ours, which may be wrong by hours. */
  let aheadMs = 0;
  let acceptedAt = 0;
  let user: User | undefined;

  function authenticate(): void {
    if (token) send({ type: 'AUTHENTICATE', token, join: JOINED, ref: AUTHENTICATION });
  }

  function authenticated({ user_id: id, role, channels, expires_at }: AuthenticatedMessage, own: boolean): void {
    acceptedAt = clock.now();
    if (own && token) {
      renewal?.stop();
      const remainingMs = expires_at * 1000 - acceptedAt - aheadMs;
      if (remainingMs >= 0) {
        renewal = tokens.keepFresh(remainingMs, (fresh) => {
          if (fresh === null) return parts.signedOut();
          token = fresh;
          authenticate();
        });
      }
    }
    if (id) user = { id, role, channels: channels ?? [] };
    parts.accepted();
    if (user) emit('user', user);
  }

  return {
    get token() {
      return token;
    },
    get user() {
      return user;
    },
    fetch: async () => {
      token = await tokens.get('connect');
      return token;
    },
    welcomed: ({ server_time }) => {
      aheadMs = server_time > 0 ? server_time * 1000 - clock.now() : 0;
    },
    authenticate,
    receive: (message, own) => {
      if (message.type === 'AUTHENTICATED') authenticated(message, own);
      else if (message.type === 'TOKEN_EXPIRING') {
        if (clock.now() - acceptedAt > YOUNG_MS) renewal?.within(0);
      } else if (message.type === 'ERROR' && message.ref === AUTHENTICATION) {
        // Perhaps it is good, and could not be checked.
        if (message.code !== 'unavailable') tokens.refused();
        report(errorOf(message));
        if (!parts.rejected(message)) renewal?.within(AGAIN_MS);
      } else return false;
      return true;
    },
    end: () => {
      renewal?.stop();
      renewal = undefined;
    },
  };
}
