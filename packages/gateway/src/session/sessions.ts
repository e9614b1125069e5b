/**
 * All sessions of this gateway: how many there may be, their heartbeat, their deadlines. One timer for all of them:
 * sessions stand on a wheel with ten spokes a second, so that ten thousand pings spread over the whole interval.
 */
import { networkOf } from './client-network.js';
import type { SessionContext } from './context.js';
import { Session } from './session.js';
import type { Socket } from './socket.js';

export interface SessionsOptions extends Omit<SessionContext, 'admit' | 'authenticated' | 'bornMs'> {
  readonly random: () => number;
  readonly maxPerUser: number;
  readonly authenticationDeadlineMs: number;
  /** Milliseconds for which bytes may wait for a client without a break. */
  readonly slowConsumerMs: number;
  /** Milliseconds of a clock that nobody sets; tells when `clock` was. Default: it never is. */
  readonly steadyMs?: () => number;
  /** Told what became of those who came without a token. */
  readonly strangers: { known(network: string): void; left(how: 'gone', network: string): void };
}

export interface Sessions {
  open(socket: Socket, address: string, token: string | undefined): Session;
  closed(session: Session): void;
  readonly count: number;
  readonly authenticatedCount: number;
  /** Connections of an address that have not said yet who they are. */
  unauthenticatedOf(address: string): number;
  /** How many connections each user has. */
  readonly users: ReadonlyMap<string, number>;
  all(): Iterable<Session>;
  close(): void;
}

/** A second's pings in one go, 170 where there are 5,000 sessions, kept events waiting for 2 to 6 ms. */
const TICK_MS = 100;
/** Less than this is correction, and harms nobody. */
const CLOCK_SET_MS = 2_000;
/** In which each session is asked once how much waits for it: a part of them in every tick. */
const PACE_CHECK_TICKS = 50;

export function createSessions(options: SessionsOptions): Sessions {
  const { clock } = options;
  const spokes = Array.from(
    { length: Math.max(1, Math.round(options.heartbeatMs / TICK_MS)) },
    () => new Set<Session>(),
  );
  /** In the order in which they connected, which is the order of their deadlines; and whether they came without a token. */
  const anonymous = new Map<Session, boolean>();
  const perUser = new Map<string, number>();
  const anonymousPerAddress = new Map<string, number>();
  let count = 0;
  let serial = 0;
  let turn = 0;
  let ticks = 0;

  const context: SessionContext & { bornMs: number } = {
    ...options,
    bornMs: clock.now(),
    admit(userId) {
      const held = perUser.get(userId) ?? 0;
      if (held >= options.maxPerUser) return false;
      perUser.set(userId, held + 1);
      return true;
    },
    authenticated: (session) => forgetAnonymous(session as Session, true),
  };

  function forgetAnonymous(session: Session, known: boolean): void {
    const stranger = anonymous.get(session);
    if (!anonymous.delete(session)) return;
    const network = networkOf(session.address);
    if (stranger && known) options.strangers.known(network);
    else if (stranger) options.strangers.left('gone', network);
    const left = (anonymousPerAddress.get(network) ?? 1) - 1;
    if (left > 0) anonymousPerAddress.set(network, left);
    else anonymousPerAddress.delete(network);
  }

  function* all(): Iterable<Session> {
    for (const spoke of spokes) yield* spoke;
  }

  const maxPaceChecks = Math.ceil(options.slowConsumerMs / (PACE_CHECK_TICKS * TICK_MS));

  const { steadyMs = clock.now } = options;
  let aheadMs = clock.now() - steadyMs();

  /** A clock that was set must not make the silent of those that were heard, nor empty what fills with time. */
  function mindClock(now: number): void {
    const setMs = Math.round(now - steadyMs() - aheadMs);
    aheadMs += setMs;
    if (Math.abs(setMs) >= CLOCK_SET_MS) context.bornMs += setMs;
  }

  function tick(): void {
    const now = clock.now();
    mindClock(now);
    for (const session of anonymous.keys()) {
      if (now - session.connectedAtMs < options.authenticationDeadlineMs) break;
      forgetAnonymous(session, false);
      session.authenticationOverdue();
    }
    turn = (turn + 1) % spokes.length;
    for (const session of spokes[turn] as Set<Session>) session.heartbeat(now);
    ticks += 1;
    for (let spoke = ticks % PACE_CHECK_TICKS; spoke < spokes.length; spoke += PACE_CHECK_TICKS) {
      for (const session of spokes[spoke] as Set<Session>) session.checkPace(maxPaceChecks);
    }
  }
  const stop = clock.every(TICK_MS, tick);

  return {
    open(socket, address, token) {
      serial += 1;
      const spoke = Math.floor(options.random() * spokes.length);
      const session = new Session(context, socket, serial, spoke, address);
      count += 1;
      spokes[spoke]?.add(session);
      anonymous.set(session, token === undefined);
      const network = networkOf(address);
      anonymousPerAddress.set(network, (anonymousPerAddress.get(network) ?? 0) + 1);
      session.open(token);
      return session;
    },
    closed(session) {
      if (!spokes[session.spoke]?.delete(session)) return;
      count -= 1;
      forgetAnonymous(session, false);
      const userId = session.identity?.userId;
      if (userId !== undefined) {
        const held = (perUser.get(userId) ?? 1) - 1;
        if (held > 0) perUser.set(userId, held);
        else perUser.delete(userId);
      }
      session.closed();
    },
    get count() {
      return count;
    },
    get authenticatedCount() {
      return count - anonymous.size;
    },
    unauthenticatedOf: (address) => anonymousPerAddress.get(networkOf(address)) ?? 0,
    users: perUser,
    all,
    close: stop,
  };
}
