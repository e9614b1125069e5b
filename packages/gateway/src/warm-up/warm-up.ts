/**
 * Before a gateway listens, it serves some clients of its own: a first rush of real ones, as after a deploy, would else be
 * served by code that V8 has not compiled yet, and be what it compiles it for. They speak the protocol over the loopback to
 * hub, sessions and transport of their own, of the same make, over a Redis that is none: it is told nothing, nothing is
 * counted or logged, and nothing stays but what V8 has learnt.
 */
import { randomBytes } from 'node:crypto';
import { createVerifier } from '@belfry/shared/auth';
import { createRedisLink, DEFAULT_KEY_PREFIX, type LogKeeper, type LogReader, type OpenLink } from '@belfry/shared/log';
import { type Position, parsePosition } from '@belfry/shared/protocol';
import { type Clock, createLogger, type Logger, Registry } from '@belfry/shared/service';
import { createCredentialCheck } from '../cluster/credentials.js';
import type { Tickets } from '../cluster/tickets.js';
import { countedLog } from '../counted-log.js';
import { createGatewayMetrics } from '../metrics.js';
import { createServing, type GatewaySettings, type Serving, type ServingParts } from '../serving.js';
import { type ClientShape, mintToken, runClient } from './client.js';

export interface WarmUpOptions {
  /** What the gateway is made of; as much of it as is harmless is used. */
  readonly parts: ServingParts;
  readonly tickets: Tickets;
  /** Clients to serve. */
  readonly clients: number;
  /** Milliseconds after which no more clients come. */
  readonly mostMs: number;
}

/** Below what a listen queue takes. */
const AT_ONCE = 50;
const CHANNELS_EACH = 10;
/** What is remembered by name, as which channels there are, is soon what it was. */
const PROPERTIES = 40;
const HOST = '127.0.0.1';
/** A listening loopback answers within this, or not at all. */
const CLIENT_MS = 1_000;

/**
 * Limits are for others: these clients come at once, from one address. Where they suffice they stay as they are: V8 keeps
 * the fields of sessions as wide as the widest value that they ever had.
 */
const LEAST = {
  MAX_CONNECTIONS: 10_000,
  MAX_CONNECTIONS_PER_IP: 10_000,
  MAX_UNAUTHENTICATED: 1_000,
  MAX_UNAUTHENTICATED_PER_IP: 1_000,
  UNAUTHENTICATED_PER_SECOND: 200,
  MAX_SUBSCRIPTIONS: 100,
  RATE_LIMIT_PER_IP: 1_000_000,
  RATE_LIMIT_MESSAGES: 100,
  RATE_LIMIT_OPENED_CHANNELS: 10_000,
};
type Limit = keyof typeof LEAST;

function limitsOf(settings: GatewaySettings): Record<Limit, number> {
  const limits = Object.entries(LEAST).map(([name, least]) => [name, Math.max(least, settings[name as Limit])]);
  return Object.fromEntries(limits) as Record<Limit, number>;
}

/**
 * Two of them: of one alone V8 would learn that there is but one of each function, throw what it compiled away where it
 * meets the gateway's own, and compile it once more.
 */
const REHEARSALS = 2;

/** Resolves to how many were served. Rejects where the loopback cannot be used; nothing is left then either. */
export async function warmUp({ clients, mostMs, parts, tickets }: WarmUpOptions): Promise<number> {
  const secret = randomBytes(32).toString('hex');
  const rehearsals = Array.from({ length: REHEARSALS }, () => createRehearsal(parts, tickets, secret));
  const until = performance.now() + mostMs;
  let come = 0;
  let served = 0;
  async function serveInTurn(ports: readonly number[]): Promise<void> {
    while (come < clients && performance.now() < until) {
      come += 1;
      await runClient(ports[come % ports.length] as number, shapeOf(come, secret), CLIENT_MS);
      served += 1;
    }
  }
  try {
    const ports = await Promise.all(rehearsals.map(({ transport }) => transport.listen()));
    await Promise.all(Array.from({ length: AT_ONCE }, () => serveInTurn(ports)));
    return served;
  } finally {
    come = clients;
    for (const { hub, sessions, transport } of rehearsals) {
      transport.close();
      sessions.close();
      hub.close();
    }
  }
}

/** What serves clients, made as in `main.ts`: where it differs, V8 would learn something else than what it needs to know. */
function createRehearsal(parts: ServingParts, tickets: Tickets, secret: string): Serving {
  const { clock } = parts;
  const logger = createLogger('warm-up', 'silent');
  const metrics = createGatewayMetrics(new Registry());
  return createServing({
    ...parts,
    settings: { ...parts.settings, ...limitsOf(parts.settings) },
    at: { host: HOST, port: 0, tls: undefined },
    logger,
    metrics,
    log: countedLog(emptyLog(clock), metrics.logRead),
    openLink: linkToNobody(clock, logger),
    verify: createCredentialCheck({
      verifyToken: createVerifier({
        keySetUrl: '',
        algorithms: [],
        issuer: undefined,
        audience: undefined,
        secrets: () => [secret],
        clock,
        logger,
      }),
      tickets,
      revocations: { isRevoked: parts.isRevoked },
      onFailure: () => undefined,
      onGood: () => undefined,
    }),
    publishing: (publish) => publish,
  });
}

/** Every channel has a log, in which nothing happens. */
function emptyLog({ now }: Clock): LogReader & LogKeeper {
  const beginning = `${now()}-0`;
  // Read and not made up, as the real ones are: an epoch is a number that V8 keeps otherwise than a small one.
  const position = (): Position => parsePosition(beginning) as Position;
  return {
    read: () => Promise.resolve({ position: position(), continuous: false, entries: [], snapshot: [] }),
    positions: (channels) => Promise.resolve(channels.map(position)),
    keep: () => Promise.resolve(),
  };
}

/** The link itself, at a Redis that confirms every subscription at once. */
const linkToNobody =
  (clock: Clock, logger: Logger): OpenLink =>
  (events) =>
    createRedisLink(
      {
        url: 'redis://nowhere',
        prefix: DEFAULT_KEY_PREFIX,
        node: 'warm-up',
        commands: { spublish: () => Promise.resolve(0) },
        subscriber: () => ({
          on: () => undefined,
          connect: () => Promise.resolve(),
          ssubscribe: () => Promise.resolve(),
          sunsubscribe: () => Promise.resolve(),
          disconnect: () => undefined,
        }),
        clock,
        logger,
      },
      events,
    );

/** The n-th client: each has a name of its own, some may read everything and some their own properties. */
function shapeOf(n: number, secret: string): ClientShape {
  const properties = Array.from({ length: CHANNELS_EACH }, (_, k) => String((n * 7 + k * 3) % PROPERTIES));
  const claims = n % 3 === 0 ? { role: 'ADMIN' } : { role: 'LANDLORD', properties };
  return { token: mintToken({ user_id: `client-${n}`, ...claims }, secret), properties };
}
