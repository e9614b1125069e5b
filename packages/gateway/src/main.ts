#!/usr/bin/env node
/** The gateway's composition root: settings in, parts wired, started; stopped in order. */
import { accessPolicyFrom, authSettings, checkKeys, checkSecret, createVerifier } from '@belfry/shared/auth';
import { connect, createRedisLink, createRedisLog, retentionFrom } from '@belfry/shared/log';
import {
  createLogger,
  createMetrics,
  createShutdown,
  readSettings,
  runProcess,
  shutdownOnSignals,
  startOperatorServer,
  systemClock,
  watchSecretFiles,
} from '@belfry/shared/service';
import { statsHandler, subscriptionsByKind } from './admin/stats.js';
import { createHub } from './channels/hub.js';
import { createGatewayMetrics } from './metrics.js';
import { drain } from './session/drain.js';
import { adviseReconnect, measureAcceptRate } from './session/reconnect-advice.js';
import { createSessions } from './session/sessions.js';
import { gatewaySettings } from './settings.js';
import { createTransport } from './transport/server.js';

/** A signature like any other, of nobody: to measure what verifying costs here. */
const SAMPLE_TOKEN =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoic2FtcGxlIiwiZXhwIjoxfQ.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
/** What the last clients get to read their last frames. */
const FLUSH_MS = 2_000;

/** Resolves once `condition` holds, or after `timeoutMs`. */
async function until(condition: () => boolean, timeoutMs: number): Promise<void> {
  const deadline = Date.now() + timeoutMs;
  while (!condition() && Date.now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
}

runProcess(async () => {
  const settings = readSettings(gatewaySettings, process.env);
  checkKeys(settings, process.env.NODE_ENV);
  const node = settings.NODE_NAME;
  const clock = systemClock;
  const logger = createLogger('gateway', settings.LOG_LEVEL).child({ node });
  const registry = createMetrics('gateway', process.env.npm_package_version ?? '0.1.0');
  const metrics = createGatewayMetrics(registry);
  const shutdown = createShutdown({
    logger,
    deadlineMs: (settings.SHUTDOWN_SECONDS + 15) * 1000,
    exit: (code) => process.exit(code),
  });
  shutdownOnSignals(shutdown, logger);

  const redis = connect({
    url: settings.REDIS_URL,
    name: `${node}:commands`,
    onError: (error) => logger.debug({ err: error }, 'redis connection error'),
  });
  shutdown.step('redis', () => redis.disconnect());
  const log = createRedisLog({ connection: redis, prefix: settings.KEY_PREFIX, retention: retentionFrom(settings) });

  const hub = createHub({
    log,
    openLink: (events) =>
      createRedisLink(
        { url: settings.REDIS_URL, prefix: settings.KEY_PREFIX, node, commands: redis, clock, logger },
        {
          ...events,
          onDown: (reason) => {
            metrics.linkDown();
            events.onDown(reason);
          },
        },
      ),
    publish: (channel, frame) => transport.publish(channel, frame),
    clock,
    random: Math.random,
    logger,
    observer: metrics.channels,
    tailEvents: settings.LOG_MAX_EVENTS,
    tailBytes: settings.TAIL_BYTES,
    lingerMs: settings.LINGER_SECONDS * 1000,
    spotCheckMs: settings.SPOT_CHECK_SECONDS * 1000,
  });
  shutdown.step('hub', () => hub.close());

  const secretsOf = (values: { readonly JWT_SECRET: string; readonly JWT_PREVIOUS_SECRET: string }) =>
    [values.JWT_SECRET, values.JWT_PREVIOUS_SECRET].filter((secret) => secret !== '');
  let secrets = secretsOf(settings);
  const stopWatchingSecrets = watchSecretFiles({
    settings: { JWT_SECRET: authSettings.JWT_SECRET, JWT_PREVIOUS_SECRET: authSettings.JWT_PREVIOUS_SECRET },
    environment: process.env,
    clock,
    logger,
    onChange: (values) => {
      checkSecret(values.JWT_SECRET, process.env.NODE_ENV);
      secrets = secretsOf(values);
    },
  });
  shutdown.step('secret files', stopWatchingSecrets);
  const verify = createVerifier({
    secrets: () => secrets,
    keySetUrl: settings.JWT_JWKS_URL,
    algorithms: settings.JWT_ALGORITHMS,
    issuer: settings.JWT_ISSUER || undefined,
    audience: settings.JWT_AUDIENCE || undefined,
    clock,
    logger,
  });
  const accessPolicy = accessPolicyFrom(settings);
  const acceptsPerSecond = measureAcceptRate(
    () => void verify(SAMPLE_TOKEN),
    () => performance.now() / 1000,
  );

  const sessions = createSessions({
    node,
    startedAt: clock.now().toString(36),
    clock,
    random: Math.random,
    hub,
    verify,
    accessPolicy,
    rateLimit: { burst: settings.RATE_LIMIT_MESSAGES, windowMs: settings.RATE_LIMIT_WINDOW_SECONDS * 1000 },
    maxSubscriptions: settings.MAX_SUBSCRIPTIONS,
    maxPerUser: settings.MAX_CONNECTIONS_PER_USER,
    heartbeatMs: settings.HEARTBEAT_SECONDS * 1000,
    waitMs: settings.SUBSCRIBE_WAIT_SECONDS * 1000,
    slowConsumerMs: settings.SLOW_CONSUMER_SECONDS * 1000,
    authenticationDeadlineMs: settings.AUTHENTICATION_DEADLINE_SECONDS * 1000,
    metrics: metrics.session,
    reconnectAdvice: () => adviseReconnect(sessions.count, acceptsPerSecond),
    retryAfterMs: () => 1_000 + Math.round(Math.random() * 4_000),
    afterThisTurn: (run) => setImmediate(run),
  });
  shutdown.step('sessions', () => sessions.close());

  const transport = createTransport({
    host: settings.WEBSOCKET_HOST,
    port: settings.WEBSOCKET_PORT,
    maxConnections: settings.MAX_CONNECTIONS,
    maxConnectionsPerAddress: settings.MAX_CONNECTIONS_PER_IP,
    allowedOrigins: settings.ALLOWED_ORIGINS,
    trustedProxies: settings.TRUSTED_PROXIES,
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
  let draining = false;
  metrics.watch({
    connections: () => sessions.count,
    connectionsLimit: () => settings.MAX_CONNECTIONS,
    authenticated: () => sessions.authenticatedCount,
    subscriptionsByKind: () => subscriptionsByKind(hub.channels),
    channels: () => hub.channels.size,
    tailBytes: () => hub.tailBytes,
    linkWhole: () => hub.link.whole,
    draining: () => draining,
  });

  const graceMs = settings.READINESS_GRACE_SECONDS * 1000;
  let onceWhole = false;
  const operators = await startOperatorServer({
    host: settings.OPERATOR_HOST,
    port: settings.OPERATOR_PORT,
    registry,
    logger,
    readiness: [
      () => (draining ? 'this gateway is going away' : undefined),
      () => {
        onceWhole ||= hub.link.whole;
        if (hub.link.whole || (onceWhole && clock.now() - hub.link.since < graceMs)) return undefined;
        return 'the link to Redis is not whole';
      },
    ],
    handlers: [statsHandler({ node, sessions, channels: hub.channels, running: () => !draining })],
  });
  shutdown.step('operators', () => operators.close());

  const port = await transport.listen();
  shutdown.step('transport', () => transport.close());
  shutdown.step('drain', async () => {
    draining = true;
    transport.stopAccepting();
    await drain({
      clock,
      random: Math.random,
      perSecond: settings.DRAIN_PER_SECOND,
      windowMs: settings.SHUTDOWN_SECONDS * 1000,
      remaining: sessions.all,
    });
    await until(() => sessions.count === 0, FLUSH_MS);
  });
  logger.info({ port, operator_port: operators.port }, 'listening');
});
