#!/usr/bin/env node
/**
 * The canary: publishes an event every second through the HTTP intake and receives it over a WebSocket from every
 * gateway, as services and clients do. What it measures is what they see; an event that is lost in silence is found here.
 */
import { randomUUID } from 'node:crypto';
import { lookup } from 'node:dns/promises';
import {
  ConfigurationError,
  createBackoff,
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
import { followAddresses } from './addresses.js';
import { createListener, type Listener } from './listener.js';
import { createCanaryMetrics } from './metrics.js';
import { createProbes } from './probes.js';
import { createPublish } from './publish.js';
import { canarySettings } from './settings.js';
import { signToken } from './token.js';

const SWEEP_MS = 500;
const FIRST_RECONNECT_MS = 500;
const MAX_RECONNECT_MS = 5_000;

runProcess(async () => {
  const settings = readSettings(canarySettings, process.env);
  const clock = systemClock;
  const logger = createLogger('canary', settings.LOG_LEVEL);
  const registry = createMetrics('canary', process.env.npm_package_version ?? '0.1.0');
  const metrics = createCanaryMetrics(registry);
  const shutdown = createShutdown({ logger, deadlineMs: 5_000, exit: (code) => process.exit(code) });
  shutdownOnSignals(shutdown, logger);

  const watched = {
    CANARY_TOKEN: canarySettings.CANARY_TOKEN,
    JWT_SECRET: canarySettings.JWT_SECRET,
    PUBLISHER_TOKEN: canarySettings.PUBLISHER_TOKEN,
  };
  let secrets = readSettings(watched, process.env);
  if (!secrets.CANARY_TOKEN && !secrets.JWT_SECRET) {
    throw new ConfigurationError('CANARY_TOKEN is not set, nor is JWT_SECRET; one of them is needed to sign in');
  }
  const stopWatchingSecrets = watchSecretFiles({
    settings: watched,
    environment: process.env,
    clock,
    logger,
    onChange: (values) => {
      secrets = values;
    },
  });
  shutdown.step('secret files', stopWatchingSecrets);
  const token = () => secrets.CANARY_TOKEN || signToken(secrets.JWT_SECRET, settings);

  const channel = `user:${settings.CANARY_NAME}`;
  const listeners = new Map<string, Listener>();
  const addressOf = (listener: Listener) => [...listeners].find(([, known]) => known === listener)?.[0];
  const probes = createProbes<Listener>({
    now: () => performance.now(),
    lostAfterMs: settings.LOST_AFTER_MS,
    joined: (listener) => listener.joined,
    onOutcome: (outcome, listener, delayMs) => {
      metrics.delivered(outcome);
      if (outcome === 'live') metrics.delay(delayMs / 1000);
      else logger.warn({ outcome, gateway: addressOf(listener), delay_ms: Math.round(delayMs) }, 'not delivered live');
    },
  });

  const url = new URL(settings.GATEWAY_URL);
  const stopFollowing = followAddresses({
    lookUp: async () => (await lookup(url.hostname, { all: true })).map(({ address }) => address),
    everyMs: settings.RESOLVE_SECONDS * 1000,
    clock,
    logger,
    onAdded: (address) => {
      const listener = createListener({
        url: settings.GATEWAY_URL,
        address,
        channel,
        token,
        clock,
        backoff: createBackoff(FIRST_RECONNECT_MS, MAX_RECONNECT_MS),
        awayMs: 2 * settings.RESOLVE_SECONDS * 1000,
        onEvent: (event, how) => probes.received(event.nonce, listener, how),
        onTold: () => probes.told(listener),
        onDisorder: (kind, after, got) => {
          metrics.disorder(kind);
          logger.error({ kind, after, got, gateway: address }, 'events out of order');
        },
        onConnect: (outcome, reason) => {
          metrics.connected(outcome);
          logger.info({ outcome, gateway: address, reason }, 'connection');
        },
      });
      listeners.set(address, listener);
    },
    onRemoved: (address) => {
      const listener = listeners.get(address);
      listeners.delete(address);
      if (!listener) return;
      probes.gone(listener);
      listener.close();
    },
  });
  shutdown.step('listeners', () => {
    stopFollowing();
    for (const listener of listeners.values()) listener.close();
  });
  metrics.watch(() => [...listeners.values()].filter(({ joined }) => joined).length);

  const publish = createPublish({ url: settings.PUBLISHER_URL, token: () => secrets.PUBLISHER_TOKEN, channel });
  const probe = async (): Promise<void> => {
    const nonce = randomUUID();
    probes.sent(
      nonce,
      [...listeners.values()].filter(({ joined }) => joined),
    );
    const failure = await publish(nonce);
    metrics.published(failure === undefined ? 'accepted' : 'failed');
    if (failure === undefined) return;
    probes.refused(nonce);
    logger.warn({ reason: failure }, 'event not accepted');
  };
  shutdown.step('probe timer', clock.every(settings.INTERVAL_MS, probe));
  shutdown.step('sweep timer', clock.every(SWEEP_MS, probes.sweep));

  const operators = await startOperatorServer({
    host: settings.OPERATOR_HOST,
    port: settings.OPERATOR_PORT,
    registry,
    logger,
    readiness: [],
  });
  shutdown.step('operators', () => operators.close());
  logger.info({ port: operators.port, operator_port: operators.port }, 'listening');
});
