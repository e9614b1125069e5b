/**
 * What serves clients, wired from the settings: hub, sessions, transport, and the limits between them. The other part of the
 * composition root, what this stands on and whoever looks into it, is `main.ts`.
 */
import type { AccessPolicy, Identity, Verify } from '@belfry/shared/auth';
import type { LogKeeper, LogReader, OpenLink } from '@belfry/shared/log';
import type { PreferenceStore } from '@belfry/shared/preferences';
import { type Budgets, type Clock, createBudgets, type Logger, type SettingValues } from '@belfry/shared/service';
import { parseBoardIntervals } from './channels/board-settings.js';
import { createHub, type Hub } from './channels/hub.js';
import type { PublishToFollowers } from './channels/subscriber.js';
import type { GatewayMetrics } from './metrics.js';
import { parseJoinRules } from './session/automatic-channels.js';
import { networkOf } from './session/client-network.js';
import { adviseReconnect, measureAcceptRate } from './session/reconnect-advice.js';
import { createSessions, type Sessions } from './session/sessions.js';
import type { gatewaySettings } from './settings.js';
import { createTransport, type Transport } from './transport/server.js';
import { readTls } from './transport/tls.js';
import { createWaitingRoom, type WaitingRoom } from './transport/waiting-room.js';

export type GatewaySettings = SettingValues<typeof gatewaySettings>;

/** What it stands on. */
export interface ServingParts {
  readonly settings: GatewaySettings;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: GatewayMetrics;
  readonly log: LogReader & LogKeeper;
  readonly openLink: OpenLink;
  readonly verify: Verify;
  readonly isRevoked: (identity: Identity) => boolean;
  readonly accessPolicy: AccessPolicy;
  readonly issueTicket: (token: string) => Promise<string>;
  readonly preferences: PreferenceStore;
  /** Puts whoever else hears of what is published in between. */
  readonly publishing: (publish: PublishToFollowers) => PublishToFollowers;
}

export interface Serving {
  readonly hub: Hub;
  readonly sessions: Sessions;
  readonly transport: Transport;
  readonly waitingRoom: WaitingRoom;
}

/** Of what an address may have, what a connection costs it that was cut off for a flood: a hundred of them cost all. */
const FLOOD_SHARE = 0.01;

/** A budget for everybody of a kind, in the window of all rate limits. */
export const createBudget = (settings: GatewaySettings, burst: number): Budgets =>
  createBudgets({ burst, windowMs: settings.RATE_LIMIT_WINDOW_SECONDS * 1000 }, () => performance.now());

/** Nobody is served before `transport.listen`. */
export function createServing(parts: ServingParts): Serving {
  const { accessPolicy, clock, log, logger, metrics, settings, verify } = parts;
  const budget = (burst: number) => createBudget(settings, burst);
  const acceptsPerSecond = measureAcceptRate(verify, () => performance.now() / 1000);
  const requestsOfAddress = budget(settings.RATE_LIMIT_PER_IP);
  const floodCost = Math.ceil(settings.RATE_LIMIT_PER_IP * FLOOD_SHARE);
  const replays = budget(settings.RATE_LIMIT_REPLAYED_EVENTS);
  const openings = budget(settings.RATE_LIMIT_OPENED_CHANNELS);
  const hub = createHub({
    log,
    openLink: parts.openLink,
    publish: parts.publishing((channel, frame) => transport.publish(channel, frame)),
    clock,
    random: Math.random,
    logger,
    observer: metrics.channels,
    tailEvents: settings.LOG_MAX_EVENTS,
    tailBytes: settings.TAIL_BYTES,
    lingerMs: settings.LINGER_SECONDS * 1000,
    spotCheckMs: settings.SPOT_CHECK_SECONDS * 1000,
    boards: { intervalMs: parseBoardIntervals(settings.BOARD_INTERVALS_MS), observer: metrics.boards },
    coalescing: { sockets: () => sessions.count, onWaited: metrics.eventsWaited },
  });
  const waitingRoom = createWaitingRoom({
    clock,
    steadyMs: () => performance.now(),
    placesPerSecond: settings.UNAUTHENTICATED_PER_SECOND,
  });
  const sessions = createSessions({
    node: settings.NODE_NAME,
    startedAt: clock.now().toString(36),
    clock,
    steadyMs: () => performance.now(),
    random: Math.random,
    hub,
    verify,
    isRevoked: parts.isRevoked,
    accessPolicy,
    rateLimit: { burst: settings.RATE_LIMIT_MESSAGES, windowMs: settings.RATE_LIMIT_WINDOW_SECONDS * 1000 },
    replays,
    openings,
    automaticJoins: { rules: parseJoinRules(settings.AUTO_JOIN), maxProperties: settings.AUTO_JOIN_PROPERTIES },
    maxSubscriptions: settings.MAX_SUBSCRIPTIONS,
    maxAgeMs: () =>
      settings.MAX_CONNECTION_AGE_SECONDS * 1000 * (0.8 + 0.4 * Math.random()) || Number.POSITIVE_INFINITY,
    maxPerUser: settings.MAX_CONNECTIONS_PER_USER,
    heartbeatMs: settings.HEARTBEAT_SECONDS * 1000,
    waitMs: settings.SUBSCRIBE_WAIT_SECONDS * 1000,
    slowConsumerMs: settings.SLOW_CONSUMER_SECONDS * 1000,
    authenticationDeadlineMs: settings.AUTHENTICATION_DEADLINE_SECONDS * 1000,
    replayBytes: settings.MAX_BACKPRESSURE_BYTES / 2,
    metrics: metrics.session,
    reconnectAdvice: () => adviseReconnect(sessions.count, acceptsPerSecond),
    retryAfterMs: () => 1_000 + Math.round(Math.random() * 4_000),
    afterThisTurn: (run) => setImmediate(run),
    strangers: waitingRoom,
    onFlood(address) {
      const network = networkOf(address);
      requestsOfAddress.charge(network, floodCost);
      waitingRoom.left('cut', network);
    },
  });
  const transport = createTransport({
    host: settings.WEBSOCKET_HOST,
    port: settings.WEBSOCKET_PORT,
    tls: readTls(settings.TLS_CERT_FILE, settings.TLS_KEY_FILE),
    maxConnections: settings.MAX_CONNECTIONS,
    maxConnectionsPerAddress: settings.MAX_CONNECTIONS_PER_IP,
    admitUnauthenticated: (address) => {
      if (sessions.unauthenticatedOf(address) >= settings.MAX_UNAUTHENTICATED_PER_IP) return 'address';
      const strangers = sessions.count - sessions.authenticatedCount + waitingRoom.waiting;
      return strangers >= settings.MAX_UNAUTHENTICATED ? 'full' : 'yes';
    },
    waitingRoom,
    requestsOfAddress,
    requestsOfUser: budget(settings.RATE_LIMIT_REQUESTS),
    replays,
    openings,
    allowedOrigins: settings.ALLOWED_ORIGINS,
    trustedProxies: settings.TRUSTED_PROXIES,
    authenticationCookie: settings.AUTH_COOKIE,
    issueTicket: parts.issueTicket,
    preferences: parts.preferences,
    maxMessageBytes: settings.MAX_MESSAGE_BYTES,
    maxBackpressureBytes: settings.MAX_BACKPRESSURE_BYTES,
    logger,
    verify,
    accessPolicy,
    hub,
    log,
    onOpen: (socket, address, token) => {
      metrics.connectionOpened();
      return sessions.open(socket, address, token);
    },
    onClose: (session) => {
      metrics.connectionClosed();
      sessions.closed(session);
    },
    onRefused: metrics.connectionRefused,
    retryAfterSeconds: () => 5 + Math.round(Math.random() * 10),
  });
  return { hub, sessions, transport, waitingRoom };
}
