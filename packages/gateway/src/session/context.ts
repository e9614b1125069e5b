/** What all sessions of a gateway share: made once by the composition root, handed to each. */
import type { AccessPolicy, Identity, Verify } from '@belfry/shared/auth';
import type { ErrorCode, ReconnectAdvice } from '@belfry/shared/protocol';
import type { Budgets, Clock, RateLimit } from '@belfry/shared/service';
import type { Hub } from '../channels/hub.js';
import type { AutomaticJoins } from './automatic-channels.js';

/** What sessions tell the metrics. */
export interface SessionMetrics {
  received(type: string): void;
  sent(type: string): void;
  handled(type: string, ms: number): void;
  failed(code: ErrorCode): void;
  authenticated(result: 'ok' | ErrorCode): void;
  rateLimited(): void;
  closed(code: number): void;
}

/** What all sessions share. */
export interface SessionContext {
  readonly node: string;
  /** Distinguishes connection ids of one node's lives. */
  readonly startedAt: string;
  readonly clock: Clock;
  /** Sessions count their milliseconds from here: numbers that small are kept in place, dates take another 16 bytes. */
  readonly bornMs: number;
  readonly hub: Hub;
  readonly verify: Verify;
  /** Whether a token that was found good has been revoked since. */
  readonly isRevoked: (identity: Identity) => boolean;
  readonly accessPolicy: AccessPolicy;
  readonly rateLimit: RateLimit;
  /** Events that a user may have replayed, or read for a past that there is not. */
  readonly replays: Budgets;
  /** Channels that a user may have opened which nobody here follows: each costs a subscription and keys in Redis. */
  readonly openings: Budgets;
  readonly automaticJoins: AutomaticJoins;
  readonly maxSubscriptions: number;
  /** How old a new connection may become, in milliseconds; each gets another answer, so that they do not end together. */
  readonly maxAgeMs: () => number;
  readonly heartbeatMs: number;
  /** Milliseconds a SUBSCRIBE waits for Redis. */
  readonly waitMs: number;
  /** Bytes that may wait for a client while it is replayed to: less than what it is cut off for. */
  readonly replayBytes: number;
  readonly metrics: SessionMetrics;
  readonly reconnectAdvice: () => ReconnectAdvice;
  /** When a client that was told `unavailable` should try again, in milliseconds. */
  readonly retryAfterMs: () => number;
  /** Runs after the present callback of the transport has returned. */
  readonly afterThisTurn: (run: () => void) => void;
  /** Somebody of this address flooded a connection without saying who he is. */
  readonly onFlood: (address: string) => void;
  /** Counts a session to its user; false when the user has as many as allowed. */
  readonly admit: (userId: string) => boolean;
  /** The session has said who it is: its deadline does not count any more. */
  readonly authenticated: (session: object) => void;
}
