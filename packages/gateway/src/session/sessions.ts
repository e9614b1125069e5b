/**
 * All sessions of this gateway: how many there may be, their heartbeat, their deadlines. One timer for all of them:
 * sessions stand on a wheel with one spoke a second, so that ten thousand pings spread over the whole interval.
 */
import type { AccessPolicy, Verify } from '@belfry/shared/auth';
import type { ErrorCode, ReconnectAdvice } from '@belfry/shared/protocol';
import type { Clock } from '@belfry/shared/service';
import type { Hub } from '../channels/hub.js';
import type { RateLimit } from './rate-limit.js';
import { Session } from './session.js';
import type { Socket } from './socket.js';

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
  readonly hub: Hub;
  readonly verify: Verify;
  readonly accessPolicy: AccessPolicy;
  readonly rateLimit: RateLimit;
  readonly maxSubscriptions: number;
  readonly heartbeatMs: number;
  /** Milliseconds a SUBSCRIBE waits for Redis. */
  readonly waitMs: number;
  readonly metrics: SessionMetrics;
  readonly reconnectAdvice: () => ReconnectAdvice;
  /** When a client that was told `unavailable` should try again, in milliseconds. */
  readonly retryAfterMs: () => number;
  /** Runs after the present callback of the transport has returned. */
  readonly afterThisTurn: (run: () => void) => void;
  /** Counts a session to its user; false when the user has as many as allowed. */
  readonly admit: (session: Session, userId: string) => boolean;
}

export interface SessionsOptions extends Omit<SessionContext, 'admit'> {
  readonly random: () => number;
  readonly maxPerUser: number;
  readonly authenticationDeadlineMs: number;
  /** Milliseconds for which bytes may wait for a client without a break. */
  readonly slowConsumerMs: number;
}

export interface Sessions {
  open(socket: Socket, address: string, token: string | undefined): Session;
  closed(session: Session): void;
  readonly count: number;
  readonly authenticatedCount: number;
  readonly all: ReadonlySet<Session>;
  close(): void;
}

const TICK_MS = 1_000;
/** Asking ten thousand sockets how much waits for them costs about a millisecond. */
const PACE_CHECK_TICKS = 5;

export function createSessions(options: SessionsOptions): Sessions {
  const { clock } = options;
  const all = new Set<Session>();
  const spokes = Array.from(
    { length: Math.max(1, Math.round(options.heartbeatMs / TICK_MS)) },
    () => new Set<Session>(),
  );
  const spokeOf = new Map<Session, Set<Session>>();
  /** In the order in which they connected, which is the order of their deadlines. */
  const anonymous = new Set<Session>();
  const perUser = new Map<string, number>();
  let serial = 0;
  let turn = 0;
  let ticks = 0;

  const context: SessionContext = {
    ...options,
    admit(session, userId) {
      const held = perUser.get(userId) ?? 0;
      if (held >= options.maxPerUser) return false;
      perUser.set(userId, held + 1);
      anonymous.delete(session);
      return true;
    },
  };

  const maxPaceChecks = Math.ceil(options.slowConsumerMs / (PACE_CHECK_TICKS * TICK_MS));

  function tick(): void {
    const now = clock.now();
    for (const session of anonymous) {
      if (now - session.connectedAtMs < options.authenticationDeadlineMs) break;
      anonymous.delete(session);
      session.authenticationOverdue();
    }
    turn = (turn + 1) % spokes.length;
    for (const session of spokes[turn] as Set<Session>) session.heartbeat(now);
    ticks += 1;
    if (ticks % PACE_CHECK_TICKS === 0) for (const session of all) session.checkPace(maxPaceChecks);
  }
  const stop = clock.every(TICK_MS, tick);

  return {
    open(socket, address, token) {
      serial += 1;
      const session = new Session(context, socket, serial, address);
      all.add(session);
      anonymous.add(session);
      const spoke = spokes[Math.floor(options.random() * spokes.length)] as Set<Session>;
      spoke.add(session);
      spokeOf.set(session, spoke);
      session.open(token);
      return session;
    },
    closed(session) {
      if (!all.delete(session)) return;
      anonymous.delete(session);
      spokeOf.get(session)?.delete(session);
      spokeOf.delete(session);
      const userId = session.identity?.userId;
      if (userId !== undefined) {
        const held = (perUser.get(userId) ?? 1) - 1;
        if (held > 0) perUser.set(userId, held);
        else perUser.delete(userId);
      }
      session.closed();
    },
    get count() {
      return all.size;
    },
    get authenticatedCount() {
      return all.size - anonymous.size;
    },
    all,
    close: stop,
  };
}
