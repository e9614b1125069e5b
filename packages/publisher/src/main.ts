#!/usr/bin/env node
/** The publisher's composition root: settings in, parts wired, started, and ended in order. */
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { connect, createRedisLog, readGenerations, retentionFrom } from '@belfry/shared/log';
import {
  createLogger,
  createMetrics,
  createShutdown,
  readSettings,
  runProcess,
  shutdownOnSignals,
  startOperatorServer,
  systemClock,
} from '@belfry/shared/service';
import { createCheckpoints } from './intake/checkpoints.js';
import { createDeadLetters } from './intake/dead-letters.js';
import { createIntakeDoor } from './intake/door.js';
import { startHttpDoor } from './intake/http.js';
import { intakeKeys } from './intake/keys.js';
import { createIntakeReader } from './intake/reader.js';
import { intakeRoutes } from './intake/routes.js';
import { withIntakeScripts } from './intake/scripts.js';
import { createShares } from './intake/shares.js';
import { trimIntake } from './intake/trim.js';
import { startWorker } from './intake/worker.js';
import { measuredLog } from './measured-log.js';
import { createPublisherMetrics, watchLag } from './metrics.js';
import { watchRedis } from './redis-watch.js';
import { checkPublisherSettings, publisherSettings } from './settings.js';

const VERSION = '0.1.0';
const TRIM_MS = 10_000;

runProcess(async () => {
  const settings = readSettings(publisherSettings, process.env);
  checkPublisherSettings(settings, process.env.NODE_ENV);
  const clock = systemClock;
  const logger = createLogger('publisher', settings.LOG_LEVEL);
  const registry = createMetrics('publisher', VERSION);
  const metrics = createPublisherMetrics(registry);
  const shutdown = createShutdown({ logger, deadlineMs: settings.SHUTDOWN_DEADLINE_MS, exit: process.exit });
  shutdownOnSignals(shutdown, logger);

  // One connection each for what waits (XREAD), for what must not be sent twice (the door), and for all the rest.
  const open = (name: string, resend: boolean) =>
    connect({
      url: settings.REDIS_URL,
      name: `belfry-publisher-${name}`,
      resend,
      onError: (error) => logger.debug({ err: error, connection: name }, 'Redis connection error'),
    });
  const connections = { commands: open('commands', true), door: open('door', false), reader: open('reader', false) };
  shutdown.step('connections', () => {
    for (const connection of Object.values(connections)) connection.disconnect();
  });
  const commands = withIntakeScripts(connections.commands);
  const redis = watchRedis({ connection: commands, clock, graceMs: settings.READY_GRACE_MS, logger });
  shutdown.step('redis watch', redis.close);

  const operators = await startOperatorServer({
    host: settings.OPERATOR_HOST,
    port: settings.OPERATOR_PORT,
    registry,
    logger,
    readiness: [redis.readiness],
  });
  shutdown.step('operators', operators.close);

  const keys = intakeKeys(settings.KEY_PREFIX);
  const retention = retentionFrom(settings);
  const rewindMs = settings.INTAKE_REWIND_SECONDS * 1000;
  const checkpoints = createCheckpoints({ commands, keys, shares: settings.INTAKE_SHARES, rewindMs });
  const shares = createShares({
    commands,
    keys,
    shares: settings.INTAKE_SHARES,
    name: `${hostname()}:${process.pid}:${randomBytes(4).toString('hex')}`,
    leaseMs: settings.INTAKE_LEASE_MS,
    clock,
    logger,
    random: Math.random,
    onChange: () => logger.debug('shares changed'),
  });
  const worker = startWorker({
    log: measuredLog(createRedisLog({ connection: commands, prefix: settings.KEY_PREFIX, retention }), metrics),
    reader: createIntakeReader(connections.reader, keys.stream),
    shares,
    shareCount: settings.INTAKE_SHARES,
    checkpoints,
    deadLetters: createDeadLetters({
      connection: commands,
      key: keys.dead,
      max: settings.INTAKE_DEAD_MAX,
      onAdded: (entry, reason) => {
        metrics.dead.inc();
        logger.warn({ entry: entry.id, reason }, 'dead letter');
      },
    }),
    readGenerations: () => readGenerations(commands),
    batchSize: settings.INTAKE_BATCH,
    batchSizePerChannel: Math.min(settings.INTAKE_BATCH, retention.maxEvents),
    clock,
    logger,
    events: {
      onAppended: (events, global) => {
        metrics.appended.inc({ channel: 'own' }, events);
        metrics.appended.inc({ channel: 'global' }, global);
      },
      onBatch: (entries, seconds) => {
        metrics.entries.inc(entries);
        metrics.batchSeconds.observe(seconds);
      },
      onConflict: () => metrics.conflicts.inc(),
      onRetry: () => metrics.retries.inc(),
      onRewound: () => metrics.rewinds.inc(),
    },
  });
  watchLag(registry, worker.lag);
  shutdown.step('intake worker', worker.stop);

  const stopTrimming = clock.every(TRIM_MS, () => {
    if (!shares.held().has(0)) return;
    trimIntake({
      connection: commands,
      stream: keys.stream,
      checkpoints,
      retentionMs: settings.INTAKE_RETENTION_SECONDS * 1000,
      rewindMs,
      maxEntries: settings.INTAKE_MAX_ENTRIES,
      clock,
    }).then(
      (removed) => metrics.trimmed.inc(removed),
      (error: unknown) => logger.debug({ err: error }, 'the intake was not trimmed; trying again'),
    );
  });
  shutdown.step('trimming', stopTrimming);

  const door = createIntakeDoor({
    connection: connections.door,
    prefix: settings.KEY_PREFIX,
    clock,
    waitMs: settings.HTTP_REDIS_WAIT_MS,
    replicas: settings.INTAKE_WAIT_REPLICAS,
    replicasMs: settings.INTAKE_WAIT_MS,
  });
  const http = await startHttpDoor({
    host: settings.HTTP_HOST,
    port: settings.HTTP_PORT,
    token: settings.PUBLISHER_TOKEN,
    routes: intakeRoutes(door, (kind, count) => metrics.accepted.inc({ kind }, count)),
    logger,
    onRefused: (code) => metrics.refused.inc({ code }),
  });
  shutdown.step('http', http.close);
  logger.info({ port: http.port, operator_port: operators.port }, 'listening');
});
