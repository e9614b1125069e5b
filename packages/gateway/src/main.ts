#!/usr/bin/env -S node --single-threaded-gc
/** The gateway's composition root: settings in, parts wired, started; stopped in order. */
// Before everything else: what the others do when they are loaded makes the heap grow.
import './heap.js';
import { randomUUID } from 'node:crypto';
import {
  accessPolicyFrom,
  checkKeys,
  createOperatorCheck,
  createOperatorVerifier,
  createVerifier,
  type Identity,
  readableProperties,
} from '@belfry/shared/auth';
import {
  CLUSTER_TOPIC_NAME,
  clusterKeys,
  connect,
  createRedisLink,
  createRedisLog,
  retentionFrom,
} from '@belfry/shared/log';
import { createPreferenceStore, startAccessNotes } from '@belfry/shared/preferences';
import { createPresenceReader, startPresenceWriter } from '@belfry/shared/presence';
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
import { createMessageSender } from './admin/messages.js';
import { commandHandlers, createOperatorRoutes, endRevoked } from './admin/operations.js';
import { countFollowers, subscriptionsByKind } from './admin/stats.js';
import { createTraces } from './admin/trace.js';
import { createCommands } from './cluster/commands.js';
import { createCredentialCheck } from './cluster/credentials.js';
import { claimName } from './cluster/name-claim.js';
import { createNodes, type NodeInfo } from './cluster/nodes.js';
import { linkReadiness } from './cluster/readiness.js';
import { createRevocationReading } from './cluster/revocation-reading.js';
import { createRevocations } from './cluster/revocations.js';
import { createTickets } from './cluster/tickets.js';
import { countedLog } from './counted-log.js';
import { createGatewayMetrics } from './metrics.js';
import { followSecrets } from './secrets.js';
import { createBudget, createServing } from './serving.js';
import { drainAndFlush } from './session/drain.js';
import { gatewaySettings } from './settings.js';
import { tracedPublish } from './traced-publish.js';
import { checkTransportSettings } from './transport/settings.js';

const VERSION = '0.1.0';

runProcess(async () => {
  const settings = readSettings(gatewaySettings, process.env);
  checkKeys(settings, process.env.NODE_ENV);
  checkTransportSettings(settings);
  const node = settings.NODE_NAME;
  const clock = systemClock;
  const logger = createLogger('gateway', settings.LOG_LEVEL).child({ node });
  const registry = createMetrics('gateway', VERSION);
  const metrics = createGatewayMetrics(registry);
  const shutdown = createShutdown({
    logger,
    deadlineMs: (settings.SHUTDOWN_SECONDS + 15) * 1000,
    exit: (code) => process.exit(code),
  });
  shutdownOnSignals(shutdown, logger);

  const tracing = await startTracing({
    service: 'gateway',
    version: VERSION,
    endpoint: settings.OTEL_EXPORTER_OTLP_ENDPOINT,
    share: Number(settings.OTEL_TRACES_SAMPLER_ARG),
  });
  shutdown.step('traces of events', tracing.close);

  const redis = connect({
    url: settings.REDIS_URL,
    name: `${node}:commands`,
    onError: (error) => logger.debug({ err: error }, 'redis connection error'),
  });
  shutdown.step('redis', () => redis.disconnect());
  const clusterNames = clusterKeys(settings.KEY_PREFIX);
  // Before anything is written under the name.
  const instance = randomUUID();
  const claim = await claimName({
    connection: redis,
    keys: clusterNames,
    node,
    instance,
    clock,
    logger,
    onLost: (reason) => void shutdown.now(reason, CONFIGURATION_EXIT_CODE),
    onRival: metrics.nameRival,
  });
  shutdown.step('name', claim.close);
  const log = countedLog(
    createRedisLog({ connection: redis, prefix: settings.KEY_PREFIX, retention: retentionFrom(settings) }),
    metrics.logRead,
  );

  const secrets = followSecrets(settings, { environment: process.env, clock, logger });
  shutdown.step('secret files', secrets.stop);
  const verifier = {
    keySetUrl: settings.JWT_JWKS_URL,
    algorithms: settings.JWT_ALGORITHMS,
    issuer: settings.JWT_ISSUER || undefined,
    clock,
    logger,
  };
  const revocations = createRevocations({ connection: redis, keys: clusterNames, clock, logger });
  const tickets = createTickets({ connection: redis, keys: clusterNames });
  const accessPolicy = accessPolicyFrom(settings);
  const preferences = createPreferenceStore({ connection: redis, prefix: settings.KEY_PREFIX });
  const accessNotes = startAccessNotes({
    store: preferences.access,
    readableTo: (identity: Identity) => readableProperties(identity, accessPolicy),
    clock,
    logger,
  });
  shutdown.step('access notes', accessNotes.stop);
  const verify = createCredentialCheck({
    verifyToken: createVerifier({
      ...verifier,
      secrets: secrets.clients,
      audience: settings.JWT_AUDIENCE || undefined,
    }),
    tickets,
    revocations,
    onFailure: (error) => logger.warn({ err: error }, 'a ticket cannot be checked'),
    onGood: accessNotes.seen,
  });
  const { hub, sessions, transport, waitingRoom } = createServing({
    settings,
    clock,
    logger,
    metrics,
    log,
    openLink: (events) =>
      createRedisLink(
        { url: settings.REDIS_URL, prefix: settings.KEY_PREFIX, node, commands: redis, clock, logger },
        {
          ...events,
          onFrame: (channel, frame) => {
            if (channel === CLUSTER_TOPIC_NAME) commands.receive(frame);
            else events.onFrame(channel, frame);
          },
          onDown: (reason) => {
            metrics.linkDown();
            events.onDown(reason);
          },
        },
      ),
    verify,
    isRevoked: revocations.isRevoked,
    accessPolicy,
    issueTicket: tickets.issue,
    preferences,
    publishing: (publish) =>
      tracedPublish((channel, frame) => {
        publish(channel, frame);
        traces.published(channel, frame);
      }, tracing),
  });
  shutdown.step('hub', () => hub.close());
  shutdown.step('sessions', () => sessions.close());
  const presence = startPresenceWriter({
    connection: redis,
    prefix: settings.KEY_PREFIX,
    node,
    users: { names: () => sessions.users.keys(), count: (user) => sessions.users.get(user) ?? 0 },
    channels: {
      names: () => hub.channels.keys(),
      count: (channel) => hub.channels.get(channel)?.followers ?? 0,
    },
    expiryMs: settings.PRESENCE_EXPIRY_SECONDS * 1000,
    clock,
    logger,
  });
  shutdown.step('presence', () => presence.close());

  let draining = false;
  metrics.watch({
    connections: () => sessions.count,
    connectionsLimit: () => settings.MAX_CONNECTIONS,
    authenticated: () => sessions.authenticatedCount,
    subscriptionsByKind: () => subscriptionsByKind(hub.channels),
    channels: () => hub.channels.size,
    tailBytes: () => hub.tailBytes,
    linkWhole: () => hub.link.whole,
    presenceAgeMs: () => (presence.currentAt === 0 ? 0 : clock.now() - presence.currentAt),
    draining: () => draining,
    waiting: () => waitingRoom.waiting,
  });

  const started = clock.now() / 1000;
  const describe = (): NodeInfo => ({
    node,
    version: VERSION,
    started_at: started,
    active_connections: sessions.count,
    authenticated_connections: sessions.authenticatedCount,
    max_connections: settings.MAX_CONNECTIONS,
    ...countFollowers(hub.channels),
    link_whole: hub.link.whole,
    draining,
    running: !draining,
  });
  const onNew = (): void => void endRevoked({ revocations, sessions });
  const revocationReading = createRevocationReading({ revocations, onNew, clock, logger });
  const onBeat = revocationReading.catchUp;
  const nodes = createNodes({ connection: redis, keys: clusterNames, describe, clock, logger, onBeat });
  shutdown.step('nodes', nodes.close);
  const traces = createTraces({ node, connection: redis, keys: clusterNames, sessions: sessions.all, clock, logger });
  const commands = createCommands({
    node,
    instance,
    connection: redis,
    keys: clusterNames,
    nodes,
    handlers: commandHandlers({
      node,
      sessions,
      channels: hub.channels,
      revocations,
      traces,
      clock,
      random: Math.random,
      drainPerSecond: settings.DRAIN_PER_SECOND,
    }),
    clock,
    logger,
  });
  const hearing = hub.link.subscribe(CLUSTER_TOPIC_NAME);

  const operators = await startOperatorServer({
    host: settings.OPERATOR_HOST,
    port: settings.OPERATOR_PORT,
    registry,
    logger,
    readiness: [
      () => (draining ? 'this gateway is going away' : undefined),
      linkReadiness(hub.link, settings.READINESS_GRACE_SECONDS * 1000, clock),
    ],
    handlers: [
      operatorRoutes({
        routes: createOperatorRoutes({
          self: describe,
          nodes,
          commands,
          revocations,
          messages: createMessageSender({
            connection: redis,
            prefix: settings.KEY_PREFIX,
            broadcasts: createBudget(settings, settings.RATE_LIMIT_BROADCASTS),
            onBroadcast: metrics.broadcast,
          }),
          presence: createPresenceReader({ connection: redis, prefix: settings.KEY_PREFIX }),
          traces,
        }),
        check: createOperatorCheck(
          createOperatorVerifier({
            ...verifier,
            secrets: secrets.operators,
            ownSecret: settings.OPERATOR_SECRET !== '',
          }),
          revocations.isRevoked,
        ),
        logger,
      }),
    ],
  });
  shutdown.step('operators', () => operators.close());

  // Whoever sees this gateway listen can count on its answer to a command. What was revoked before it came is refused from
  // its first client on, where Redis can be asked.
  await revocationReading.known(hearing);
  const port = await transport.listen();
  shutdown.step('transport', () => transport.close());
  shutdown.step('drain', async () => {
    draining = true;
    transport.stopAccepting();
    const options = {
      clock,
      random: Math.random,
      perSecond: settings.DRAIN_PER_SECOND,
      windowMs: settings.SHUTDOWN_SECONDS * 1000,
      reason: 'shutting down',
      remaining: sessions.all,
    };
    await drainAndFlush(options, () => sessions.count);
  });
  logger.info({ port, operator_port: operators.port }, 'listening');
});
