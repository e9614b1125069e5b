/** Sessions with the real hub over a log in memory, a socket that keeps what it was sent, and a clock that stands still. */
import type { Identity } from '@belfry/shared/auth';
import { channelKeys, DEFAULT_KEY_PREFIX } from '@belfry/shared/log';
import {
  createMemoryBus,
  createMemoryLink,
  createMemoryLog,
  createMemoryStore,
  createSeededRandom,
  createVirtualClock,
} from '@belfry/shared/log/memory';
import { createBudgets, createLogger } from '@belfry/shared/service';
import { createHub } from '../channels/hub.js';
import type { Frame } from '../channels/subscriber.js';
import { parseJoinRules } from './automatic-channels.js';
import type { Session } from './session.js';
import { createSessions, type SessionsOptions } from './sessions.js';
import type { Socket } from './socket.js';

export interface Client {
  readonly session: Session;
  /** Frames since the last `take`, parsed. */
  take(): Record<string, unknown>[];
  /** Their types, `ERROR` with its code; without the heartbeat. */
  types(): string[];
  send(frame: object): void;
  readonly closedWith: number | undefined;
  /** From now on this many frames are taken, then they are dropped. */
  choke(frames: number): void;
  buffered: number;
  destroyed: boolean;
}

const heartless = (frames: Record<string, unknown>[]) => frames.filter(({ type }) => type !== 'PING');

export function createStage(overrides: Partial<SessionsOptions> = {}) {
  const clock = createVirtualClock();
  const random = createSeededRandom(1);
  const logger = createLogger('test', 'silent');
  const redis = { away: false };
  const reachable = () => !redis.away;
  const bus = createMemoryBus({ clock, reachable });
  /** `known` and `left`: what became of those who came without a token. */
  const counts = { reads: 0, positions: 0, known: 0, left: 0 };
  const store = createMemoryStore({
    now: clock.now,
    random,
    retention: {
      maxEvents: 100,
      maxGlobalEvents: 100,
      logTtlSeconds: 1e6,
      snapshotTtlSeconds: 0,
      idempotencyTtlSeconds: 60,
    },
    publish: (channel, frame) => bus.publish(channelKeys(DEFAULT_KEY_PREFIX, channel).topic, frame),
  });
  const memory = createMemoryLog({ store, clock, reachable, timeoutMs: 500 });
  const log = {
    ...memory,
    read: (...args: Parameters<typeof memory.read>) => {
      counts.reads += 1;
      return memory.read(...args);
    },
    positions: (...args: Parameters<typeof memory.positions>) => {
      counts.positions += 1;
      return memory.positions(...args);
    },
  };
  const followers = new Map<string, Set<(frame: Frame) => void>>();
  const nothing = (): void => undefined;
  const repairs: string[] = [];
  const hub = createHub({
    log,
    openLink: (events) => createMemoryLink({ bus, node: 'gateway', clock, random, logger }, events),
    publish: (channel, frame) => {
      for (const deliver of [...(followers.get(channel) ?? [])]) deliver(frame);
    },
    clock,
    random,
    logger,
    observer: {
      repaired: (cause, outcome) => void repairs.push(`${cause}: ${outcome}`),
      joined: nothing,
      ignored: nothing,
      delivered: nothing,
    },
    tailEvents: 50,
    tailBytes: 1e6,
    lingerMs: 5_000,
    spotCheckMs: 60_000,
  });
  const identities = new Map<string, Partial<Identity> | 'token_expired'>();
  /** Users whose tokens were revoked behind their check. */
  const revoked = new Set<string>();
  /** Addresses of strangers that were cut off. */
  const floods: string[] = [];
  const sessions = createSessions({
    node: 'gateway',
    startedAt: '0',
    clock,
    random,
    hub,
    verify(token) {
      const known = identities.get(token);
      if (known === undefined) return { ok: false, code: 'token_invalid', message: 'unknown' };
      if (known === 'token_expired') return { ok: false, code: 'token_expired', message: 'expired' };
      return {
        ok: true,
        identity: {
          userId: 'landlord-7',
          role: undefined,
          properties: new Set(['1', '2']),
          expiresAt: clock.now() / 1000 + 3_600,
          issuedAt: undefined,
          tokenId: undefined,
          ...known,
        },
      };
    },
    isRevoked: ({ userId }) => revoked.has(userId),
    accessPolicy: { properties: 'roles', boardReaders: new Map() },
    automaticJoins: { rules: parseJoinRules(['user', 'role']), maxProperties: 100 },
    rateLimit: { burst: 100, windowMs: 10_000 },
    replays: createBudgets({ burst: 1e6, windowMs: 10_000 }, clock.now),
    openings: createBudgets({ burst: 1e6, windowMs: 10_000 }, clock.now),
    maxSubscriptions: 10,
    maxPerUser: 3,
    maxAgeMs: () => 1e9,
    heartbeatMs: 30_000,
    replayBytes: 1e6,
    waitMs: 2_000,
    slowConsumerMs: 10_000,
    authenticationDeadlineMs: 10_000,
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
    retryAfterMs: () => 700,
    afterThisTurn: (run) => clock.after(0, run),
    onFlood: (address) => void floods.push(address),
    strangers: {
      known() {
        counts.known += 1;
      },
      left() {
        counts.left += 1;
      },
    },
    ...overrides,
  });
  let serial = 0;

  /** @param asks the channels that it is about to ask for, where it can ask once only, as on an event stream */
  function connect(token?: string, asks?: readonly string[]): Client {
    const frames: string[] = [];
    let left = Number.POSITIVE_INFINITY;
    let session: Session | undefined;
    let gone = false;
    const closed = (code: number): void => {
      gone = true;
      client.closedWith = code;
      for (const channel of followers.values()) channel.delete(deliver);
      if (session) sessions.closed(session);
    };
    const take = (frame: Frame): boolean => {
      if (left <= 0) return false;
      left -= 1;
      frames.push(Buffer.from(frame).toString('utf8'));
      return true;
    };
    const deliver = (frame: Frame): void => {
      if (!take(frame)) session?.poison();
    };
    // As uWebSockets.js: whoever touches a socket that is closed is thrown at.
    const alive = (): void => {
      if (gone) throw new Error('the socket is closed');
    };
    const socket: Socket = {
      ...(asks ? { asksOnce: true, asksFor: (channel: string) => asks.includes(channel) } : {}),
      send(frame) {
        alive();
        return take(frame);
      },
      together(block) {
        alive();
        block();
      },
      follow: (channel) => void followers.set(channel, (followers.get(channel) ?? new Set()).add(deliver)),
      unfollow: (channel) => void followers.get(channel)?.delete(deliver),
      end: ({ code }) => closed(code),
      destroy() {
        client.destroyed = true;
        if (!gone) closed(1006);
      },
      get bufferedBytes() {
        return client.buffered;
      },
    };
    const client = {
      buffered: 0,
      destroyed: false,
      closedWith: undefined as number | undefined,
      get session() {
        return session as Session;
      },
      take: () => frames.splice(0).map((frame) => JSON.parse(frame) as Record<string, unknown>),
      types: () =>
        heartless(client.take()).map(({ type, code, recovered }) => {
          if (type === 'ERROR') return `ERROR ${code}`;
          return recovered === undefined ? String(type) : `${type} ${recovered}`;
        }),
      send: (frame: object) => session?.receive(JSON.stringify(frame)),
      choke: (count: number) => {
        left = count;
      },
    };
    session = sessions.open(socket, '10.0.0.1', token);
    if (gone) sessions.closed(session);
    return client;
  }

  return {
    clock,
    hub,
    sessions,
    store,
    redis,
    bus,
    counts,
    repairs,
    identities,
    revoked,
    floods,
    connect,
    /** Connected, authenticated with these claims, all of it taken. */
    async client(claims: Partial<Identity> = {}): Promise<Client> {
      identities.set('good', claims);
      const client = connect();
      client.send({ type: 'AUTHENTICATE', token: 'good' });
      await clock.advance(50);
      client.take();
      return client;
    },
    append(channel: string, count = 1, key?: string): string[] {
      const ids: string[] = [];
      for (let n = 0; n < count; n += 1) {
        serial += 1;
        const events = [{ key, body: JSON.stringify({ type: 'EVENT', channel, n: serial }) }];
        const outcome = store.append({ channel, lane: 0, entries: [{ intakeId: `1-${serial}`, events }] });
        if (outcome.status === 'ok') ids.push(...(outcome.results[0] ?? []));
      }
      return ids;
    },
  };
}
