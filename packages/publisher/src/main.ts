#!/usr/bin/env -S node --max-semi-space-size=64
/** The publisher's composition root: settings in, parts wired, started, and ended in order. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { createOperatorCheck, createOperatorVerifier } from '@belfry/shared/auth';
import { connect, createRedisLog, intakeKey, retentionFrom } from '@belfry/shared/log';
import {
  CONFIGURATION_EXIT_CODE,
  createLogger,
  createMetrics,
  createShutdown,
  operatorRoutes,
  readSettings,
  runProcess,
  shutdownOnSignals,
  startOperatorServer,
  systemClock,
} from '@belfry/shared/service';
import { startTracing } from '@belfry/shared/tracing';
import { startAlerts } from './alerts/index.js';
import { createAlertMetrics } from './alerts/metrics.js';
import { watchEviction } from './eviction-watch.js';
import { startHttpDoor } from './http/server.js';
import { createBroadcastLimit } from './intake/broadcast-limit.js';
import { createIntakeDoor } from './intake/door.js';
import { createIntakeFloor } from './intake/floor.js';
import { startIntake } from './intake/intake.js';
import { intakeRoutes } from './intake/routes.js';
import { connectForJobs } from './jobs/connection.js';
import { createJobMetrics } from './jobs/metrics.js';
import { measuredLog } from './measured-log.js';
import { createPublisherMetrics, intakeMetrics, watchLag } from './metrics.js';
import { createBoard } from './operators/board.js';
import { createDeadLetterRoutes } from './operators/dead-letters.js';
import { createJobRoutes } from './operators/jobs.js';
import { startPortfolios } from './portfolio/index.js';
import { watchRedis } from './redis-watch.js';
import { startReporting } from './reporting.js';
import { followPublisherSecrets } from './secrets.js';
import { checkPublisherSettings, publisherSettings } from './settings.js';
import { startWhenPossible } from './start-when-possible.js';
import { tracedLog, traceReports } from './traced.js';
import { createRevocationCheck } from './users/revocation-check.js';

const VERSION = '0.1.0';

runProcess(async () => {
  const settings = readSettings(publisherSettings, process.env);
  checkPublisherSettings(settings, process.env.NODE_ENV);
  const clock = systemClock;
  const prefix = settings.KEY_PREFIX;
  const logger = createLogger('publisher', settings.LOG_LEVEL);
  const registry = createMetrics('publisher', VERSION);
  const metrics = createPublisherMetrics(registry);
  const shutdown = createShutdown({ logger, deadlineMs: settings.SHUTDOWN_DEADLINE_MS, exit: process.exit });
  shutdownOnSignals(shutdown, logger);

  const tracing = await startTracing({
    service: 'publisher',
    version: VERSION,
    endpoint: settings.OTEL_EXPORTER_OTLP_ENDPOINT,
    share: Number(settings.OTEL_TRACES_SAMPLER_ARG),
  });
  shutdown.step('traces', tracing.close);

  // One connection each for what waits (XREAD), for what must not be sent twice (the door), and for all the rest.
  const open = (name: string, special: { resend?: boolean; commandTimeoutMs?: number } = {}) =>
    connect({
      ...special,
      url: settings.REDIS_URL,
      name: `belfry-publisher-${name}`,
      onError: (error) => logger.debug({ err: error, connection: name }, 'Redis connection error'),
    });
  const doorTimeoutMs = settings.HTTP_REDIS_WAIT_MS + settings.INTAKE_WAIT_MS;
  const connections = {
    commands: open('commands'),
    door: open('door', { resend: false, commandTimeoutMs: doorTimeoutMs }),
    reader: open('reader', { resend: false }),
  };
  shutdown.step('connections', () => {
    for (const connection of Object.values(connections)) connection.disconnect();
  });
  const redis = watchRedis({ connection: connections.commands, clock, graceMs: settings.READY_GRACE_MS, logger });
  shutdown.step('redis watch', redis.close);
  shutdown.step('eviction watch', watchEviction({ connection: connections.commands, clock, logger }));

  const jobs = {
    connectForJobs: () =>
      connectForJobs(settings.REDIS_URL, 'belfry-publisher-jobs', (error) =>
        logger.debug({ err: error, connection: 'jobs' }, 'Redis connection error'),
      ),
    jobMetrics: createJobMetrics(registry, logger, clock),
  };
  const jobRoutes = createJobRoutes({ connect: () => open('job-routes'), prefix, logger });
  shutdown.step('job routes', jobRoutes.close);
  const secrets = followPublisherSecrets(settings, { environment: process.env, clock, logger });
  shutdown.step('secret files', secrets.stop);
  const check = createOperatorCheck(
    createOperatorVerifier({
      secrets: secrets.operators,
      ownSecret: settings.OPERATOR_SECRET !== '',
      keySetUrl: settings.JWT_JWKS_URL,
      algorithms: settings.JWT_ALGORITHMS,
      issuer: settings.JWT_ISSUER || undefined,
      clock,
      logger,
    }),
    createRevocationCheck({ connection: connections.commands, prefix }),
  );
  const deadLetterRoutes = createDeadLetterRoutes({ connection: connections.commands, prefix });
  const operators = await startOperatorServer({
    host: settings.OPERATOR_HOST,
    port: settings.OPERATOR_PORT,
    registry,
    logger,
    readiness: [redis.readiness],
    handlers: [
      operatorRoutes({ routes: [...jobRoutes.routes, ...deadLetterRoutes], check, logger }),
      createBoard({ queues: jobRoutes.queues, check, logger }),
    ],
  });
  shutdown.step('operators', operators.close);

  const name = `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`;
  const retention = retentionFrom(settings);
  const floor = createIntakeFloor({ stream: intakeKey(prefix), logger, onRaised: () => metrics.raised.inc() });
  const intake = startIntake({
    floor,
    connection: connections.commands,
    readerConnection: connections.reader,
    log: tracedLog(
      measuredLog(createRedisLog({ connection: connections.commands, prefix, retention }), metrics),
      tracing,
    ),
    prefix,
    name,
    shares: settings.INTAKE_SHARES,
    leaseMs: settings.INTAKE_LEASE_MS,
    batchSize: settings.INTAKE_BATCH,
    batchSizePerChannel: Math.min(settings.INTAKE_BATCH, retention.maxEvents),
    rewindMs: settings.INTAKE_REWIND_SECONDS * 1000,
    retentionMs: settings.INTAKE_RETENTION_SECONDS * 1000,
    maxEntries: settings.INTAKE_MAX_ENTRIES,
    maxDeadLetters: settings.INTAKE_DEAD_MAX,
    clock,
    random: Math.random,
    logger,
    events: {
      ...intakeMetrics(metrics, logger),
      onMisfit: (actual) => {
        logger.fatal(
          { INTAKE_SHARES: settings.INTAKE_SHARES, actual },
          `INTAKE_SHARES must be ${actual}, as the intake in Redis is cut; to change it let the publishers work it off, stop them all, and delete the keys ${prefix}:intake*`,
        );
        void shutdown.now('wrong INTAKE_SHARES', CONFIGURATION_EXIT_CODE);
      },
    },
  });
  watchLag(registry, intake.lag);

  const door = createIntakeDoor({
    floor,
    connection: connections.door,
    prefix,
    clock,
    waitMs: settings.HTTP_REDIS_WAIT_MS,
    replicas: settings.INTAKE_WAIT_REPLICAS,
    replicasMs: settings.INTAKE_WAIT_MS,
  });
  const common = { settings, prefix, clock, random: Math.random, logger, registry, ...jobs };
  const reporting = startReporting({ ...common, redis: connections.commands, door });
  const alertMetrics = createAlertMetrics(registry);
  const alerts = settings.ALERTS_ENABLED
    ? startWhenPossible(
        'alerts',
        () => startAlerts({ ...common, metrics: alertMetrics, connection: connections.commands, name }),
        common,
      )
    : undefined;
  const portfolios = startPortfolios({
    ...common,
    connection: connections.commands,
    name,
    secrets: secrets.users,
    leaseMs: settings.INTAKE_LEASE_MS,
    door,
  });
  // Side by side: each waits some seconds for what it has in hand.
  shutdown.step('sources, alerts, portfolios and intake', async () => {
    const endings = [reporting.close(), alerts?.stop().then((started) => started?.close()), portfolios.close()];
    await Promise.all([...endings, intake.stop()]);
  });
  const http = await startHttpDoor({
    host: settings.HTTP_HOST,
    port: settings.HTTP_PORT,
    tokens: secrets.services,
    allowedOrigins: settings.ALLOWED_ORIGINS,
    routes: [
      ...intakeRoutes(
        door,
        (kind, count) => metrics.accepted.inc({ kind }, count),
        createBroadcastLimit({ burst: settings.RATE_LIMIT_BROADCASTS, windowMs: 60_000 }, () => performance.now()),
        traceReports(tracing),
      ),
      ...reporting.routes,
      ...portfolios.routes,
    ],
    logger,
    onRefused: (code) => metrics.refused.inc({ code }),
  });
  shutdown.step('http', http.close);
  logger.info({ port: http.port, operator_port: operators.port }, 'listening');
});
