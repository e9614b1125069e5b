/**
 * Before a gateway listens, it serves some clients of its own: a first rush of real ones, as after a deploy, would else be
 * served by code that V8 has not compiled yet, and be what it compiles it for. They speak the protocol over the loopback to
 * hub, sessions and transport of their own, of the same make, over a Redis that is none: it is told nothing, nothing is
 * counted or logged, and nothing stays but what V8 has learnt.
 */
import { randomBytes } from 'node:crypto';
import { createVerifier } from '@belfry/shared/auth';
import { createRedisLink, DEFAULT_KEY_PREFIX, type LogKeeper, type LogReader, type OpenLink } from '@belfry/shared/log';
import { type Clock, createLogger, type Logger, Registry } from '@belfry/shared/service';
import { createCredentialCheck } from '../cluster/credentials.js';
import type { Tickets } from '../cluster/tickets.js';
import { countedLog } from '../counted-log.js';
import { createGatewayMetrics } from '../metrics.js';
import { createServing, type Serving, type ServingParts } from '../serving.js';
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
const NOWHERE = { epoch: 1, offset: 0 };

/** Limits are for others: these clients come at once, from one address. */
const ENOUGH = 1_000_000;
const WITHOUT_LIMITS = {
  MAX_CONNECTIONS: ENOUGH,
  MAX_CONNECTIONS_PER_IP: ENOUGH,
  MAX_UNAUTHENTICATED: ENOUGH,
  MAX_UNAUTHENTICATED_PER_IP: ENOUGH,
  UNAUTHENTICATED_PER_SECOND: ENOUGH,
  MAX_SUBSCRIPTIONS: ENOUGH,
  RATE_LIMIT_PER_IP: ENOUGH,
  RATE_LIMIT_MESSAGES: ENOUGH,
  RATE_LIMIT_OPENED_CHANNELS: ENOUGH,
};

/** Resolves to how many were served. Rejects where the loopback cannot be used; nothing is left then either. */
export async function warmUp({ clients, mostMs, parts, tickets }: WarmUpOptions): Promise<number> {
  const secret = randomBytes(32).toString('hex');
  const { hub, sessions, transport } = createRehearsal(parts, tickets, secret);
  const until = performance.now() + mostMs;
  let come = 0;
  let served = 0;
  async function serveInTurn(port: number): Promise<void> {
    while (come < clients && performance.now() < until) {
      come += 1;
      await runClient(port, shapeOf(come, secret), CLIENT_MS);
      served += 1;
    }
  }
  try {
    const port = await transport.listen();
    await Promise.all(Array.from({ length: AT_ONCE }, () => serveInTurn(port)));
    return served;
  } finally {
    come = clients;
    transport.close();
    sessions.close();
    hub.close();
  }
}

/** What serves clients, made as in `main.ts`: where it differs, V8 would learn something else than what it needs to know. */
function createRehearsal(parts: ServingParts, tickets: Tickets, secret: string): Serving {
  const { clock } = parts;
  const logger = createLogger('warm-up', 'silent');
  const metrics = createGatewayMetrics(new Registry());
  return createServing({
    ...parts,
    settings: { ...parts.settings, ...WITHOUT_LIMITS },
    at: { host: HOST, port: 0, tls: undefined },
    logger,
    metrics,
    log: countedLog(emptyLog, metrics.logRead),
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
      revocations: { isRevoked: () => false },
      onFailure: () => undefined,
      onGood: () => undefined,
    }),
    isRevoked: () => false,
    publishing: (publish) => publish,
  });
}

/** Every channel has a log, and nothing has happened yet. */
const emptyLog: LogReader & LogKeeper = {
  read: () => Promise.resolve({ position: NOWHERE, continuous: false, entries: [], snapshot: undefined }),
  positions: (channels) => Promise.resolve(channels.map(() => NOWHERE)),
  keep: () => Promise.resolve(),
};

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
  const claims = n % 2 === 0 ? { role: 'ADMIN' } : { role: 'LANDLORD', properties };
  return { token: mintToken({ user_id: `client-${n}`, ...claims }, secret), properties };
}
