/** A gateway of a simulation: the real hub, channels and sessions, between a simulated Redis and simulated wires. */
import { type AccessPolicy, authorise, type Identity } from '@belfry/shared/auth';
import type { LogKeeper, LogReader } from '@belfry/shared/log';
import { createMemoryLink, type MemoryBus, type SeededRandom, type VirtualClock } from '@belfry/shared/log/memory';
import { parseChannel } from '@belfry/shared/protocol';
import { createBudgets, createLogger } from '@belfry/shared/service';
import type { ChannelObserver } from '../channels/channel-options.js';
import { createHub, type Hub } from '../channels/hub.js';
import type { Frame } from '../channels/subscriber.js';
import { parseJoinRules } from '../session/automatic-channels.js';
import type { Session } from '../session/session.js';
import { createSessions, type Sessions } from '../session/sessions.js';
import type { Socket } from '../session/socket.js';
import type { Model } from './model.test-support.js';
import type { Sabotage } from './sabotage.test-support.js';
import { type ClientEnd, createWire, type Wire } from './wire.test-support.js';

export interface GatewayOptions {
  readonly name: string;
  readonly clock: VirtualClock;
  readonly random: SeededRandom;
  readonly log: LogReader & LogKeeper;
  readonly bus: MemoryBus;
  readonly model: Model;
  readonly sabotage: Sabotage;
  readonly wireDelayMs: () => number;
  readonly tailBytes: number;
  readonly maxAgeMs: () => number;
  readonly trace: (text: string) => void;
}

export interface SimulatedGateway {
  readonly name: string;
  readonly hub: Hub;
  readonly sessions: Sessions;
  connect(end: ClientEnd): Wire;
  /** The process is gone: every connection breaks. */
  kill(): void;
}

const TAIL_EVENTS = 8;
export const SPOT_CHECK_MS = 10_000;
export const ACCESS_POLICY: AccessPolicy = { properties: 'roles', boardReaders: new Map() };
const MAX_BUFFERED = 2_000;
const logger = createLogger('simulation', 'silent');

/** `<user>|<role>|<property>,<property>|<expiry in seconds>`: who may make up tokens needs no signature. */
export function identityIn(token: string): Identity {
  const [userId, role, properties, expiresAt] = token.split('|') as [string, string, string, string];
  return {
    userId,
    role: role || undefined,
    properties: properties === '*' ? 'all' : new Set(properties.split(',')),
    expiresAt: Number(expiresAt),
    issuedAt: undefined,
    tokenId: undefined,
  };
}

export function createSimulatedGateway(options: GatewayOptions): SimulatedGateway {
  const { bus, clock, log, model, name, random, sabotage, trace } = options;
  const wires = new Map<Wire, Session>();
  const nothing = (): void => undefined;
  const observer: ChannelObserver = {
    repaired: (cause, outcome) => trace(`${name} repaired (${cause}): ${outcome}`),
    joined: nothing,
    ignored: nothing,
    delivered: nothing,
  };

  /** Whatever speaks of a channel may be shown only to who may read it. */
  function checkAllowed(session: Session | undefined, channel: string): void {
    const parsed = parseChannel(channel);
    const identity = session?.identity;
    if (identity && parsed && authorise(identity, 'read', parsed, ACCESS_POLICY)) return;
    model.violation(`${name}: ${identity?.userId ?? 'nobody'} was shown ${channel}`);
  }

  function publish(channel: string, frame: Frame): void {
    for (const [wire, session] of [...wires]) {
      if (!wire.follows(channel)) continue;
      checkAllowed(session, channel);
      sabotage.publish(frame, (altered) => wire.publish(altered));
    }
  }

  const hub = createHub({
    log,
    openLink: (events) => createMemoryLink({ bus, node: name, clock, random, logger }, events),
    publish,
    clock,
    random,
    logger,
    observer,
    tailEvents: TAIL_EVENTS,
    tailBytes: options.tailBytes,
    lingerMs: 2_000,
    spotCheckMs: SPOT_CHECK_MS,
    // In half of the worlds events wait as they do under load.
    coalescing: {
      largeTurn: random.chance(0.5) ? 1 : Number.POSITIVE_INFINITY,
      turnOver: (run) => clock.after(0, run),
      steadyMs: clock.now,
    },
  });
  const sessions = createSessions({
    replays: createBudgets({ burst: 1e9, windowMs: 60_000 }, clock.now),
    openings: createBudgets({ burst: 1e9, windowMs: 60_000 }, clock.now),
    node: name,
    startedAt: '0',
    clock,
    random,
    hub,
    verify(token) {
      const identity = identityIn(token);
      if (identity.expiresAt * 1000 > clock.now()) return { ok: true, identity };
      return { ok: false, code: 'token_expired', message: 'expired' };
    },
    isRevoked: () => false,
    accessPolicy: ACCESS_POLICY,
    automaticJoins: { rules: parseJoinRules(['user', 'role']), maxProperties: 100 },
    maxAgeMs: options.maxAgeMs,
    rateLimit: { burst: 1_000, windowMs: 10_000 },
    maxSubscriptions: 100,
    maxPerUser: 5,
    heartbeatMs: 8_000,
    replayBytes: MAX_BUFFERED / 8,
    waitMs: 2_000,
    slowConsumerMs: 5_000,
    authenticationDeadlineMs: 5_000,
    metrics: {
      received: nothing,
      sent: nothing,
      handled: nothing,
      failed: nothing,
      authenticated: nothing,
      rateLimited: nothing,
      closed: nothing,
    },
    reconnectAdvice: () => ({ first_ms: 500, max_ms: 2_000 }),
    retryAfterMs: () => 200 + random() * 1_000,
    afterThisTurn: (run) => clock.after(0, run),
    onFlood: () => undefined,
    strangers: { known: () => undefined, left: () => undefined },
  });

  /** Names the channel of what a session sends by itself, where it tells something of one. */
  const TELLS = /^\{"type":"(?:STATE|RESYNC|SUBSCRIBED)".*?"channel":"([^"]*)"|^\{"id":.*?"channel":"([^"]*)"/;

  return {
    name,
    hub,
    sessions,
    connect(end) {
      let session: Session | undefined;
      let closedEarly = false;
      const wire: Wire = createWire(
        { clock, delayMs: options.wireDelayMs, maxBuffered: MAX_BUFFERED, onFollow: sabotage.follow },
        end,
        {
          onText: (text) => session?.receive(text),
          onDropped: () => session?.poison(),
          onDrained: () => session?.drained(),
          onClosed: () => {
            wires.delete(wire);
            closedEarly = true;
            if (session) sessions.closed(session);
          },
        },
      );
      const socket: Socket = {
        ...wire.socket,
        send(frame) {
          const tells = TELLS.exec(typeof frame === 'string' ? frame : Buffer.from(frame).toString('utf8'));
          if (tells) checkAllowed(session, (tells[1] ?? tells[2]) as string);
          return wire.socket.send(frame);
        },
        get bufferedBytes() {
          return wire.socket.bufferedBytes;
        },
      };
      session = sessions.open(socket, '10.0.0.1', undefined);
      if (closedEarly) sessions.closed(session);
      else wires.set(wire, session);
      return wire;
    },
    kill() {
      hub.close();
      sessions.close();
      bus.cut(name);
      for (const [wire, session] of [...wires]) {
        sessions.closed(session);
        wire.cut();
      }
      wires.clear();
    },
  };
}
