/** Alerts: events matched against users' rules, delivered by webhook, e-mail or SMS, at once or as digests. */
import type { Connection } from '@belfry/shared/log';
import {
  createPreferenceStore,
  MAX_UNDELIVERED_EVENTS,
  SAY_WAYS_EVERY_MS,
  type UndeliveredReason,
  WAYS,
} from '@belfry/shared/preferences';
import type { Clock, Logger, SettingValues } from '@belfry/shared/service';
import type { JobConnection } from '../jobs/connection.js';
import type { JobMetrics } from '../jobs/metrics.js';
import { createJobQueue } from '../jobs/queue.js';
import { type Carriers, createDeliveries } from './deliveries.js';
import type { Delivery } from './delivery.js';
import { createDigests, DIGESTS, type Digest } from './digests.js';
import { startMatcher } from './matcher.js';
import { createMailSender, createSmsSender } from './messages.js';
import type { AlertMetrics } from './metrics.js';
import { longestQuietMs } from './quiet-hours.js';
import type { alertSettings } from './settings.js';
import { createWebhookSender } from './webhook.js';

export interface AlertsOptions {
  readonly settings: SettingValues<typeof alertSettings>;
  readonly connection: Connection;
  /** For BullMQ. */
  readonly connectForJobs: () => JobConnection;
  readonly prefix: string;
  /** Unique among publishers. */
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: AlertMetrics;
  readonly jobMetrics: JobMetrics;
}

export interface Alerts {
  close(): Promise<void>;
}

/** By default a flush that fails is tried again for some five minutes: the next one comes an hour or a day later. */
const FLUSH_ATTEMPTS = 6;
/** Of an event's message, in what is told of a delivery that was given up. */
const MAX_TOLD_LENGTH = 200;

/**
 * Starts matching and delivering; several publishers share the work.
 * @throws when Redis does not take it; nothing is left running then
 */
export async function startAlerts(options: AlertsOptions): Promise<Alerts> {
  const { clock, connection, logger, metrics, prefix, settings } = options;
  const store = createPreferenceStore({ connection, prefix, clock });
  const timeoutMs = settings.DELIVERY_TIMEOUT_MS;
  const mail = settings.SMTP_URL
    ? createMailSender({ url: settings.SMTP_URL, from: settings.MAIL_FROM, timeoutMs })
    : undefined;
  const carriers: Carriers = {
    webhook: createWebhookSender({ clock, allowPrivate: settings.ALLOW_PRIVATE_WEBHOOKS, timeoutMs }),
    email: mail?.send,
    sms: settings.SMS_URL
      ? createSmsSender({ url: settings.SMS_URL, token: settings.SMS_TOKEN, timeoutMs, fetch })
      : undefined,
  };
  const deliveries = createDeliveries({
    prefix,
    connect: options.connectForJobs,
    metrics: options.jobMetrics,
    logger,
    clock,
    store,
    firstRetryMs: settings.DELIVERY_RETRY_MS,
    carriers,
    onDelivered({ id, user, way }) {
      metrics.deliveries.inc({ way, result: 'delivered' });
      store.undelivered
        .remove(user, id)
        .catch((error: unknown) =>
          logger.debug({ err: error, delivery: id }, 'a user may be told that it was given up'),
        );
    },
    onDead(delivery, why) {
      metrics.deliveries.inc({ way: delivery.way, result: 'dead' });
      tell(delivery, why).catch((error: unknown) =>
        logger.warn({ err: error, delivery: delivery.id }, 'the user is not told that it was given up'),
      );
    },
  });

  /** The user finds it in the dashboard: who fails to be reached does not learn it otherwise. */
  async function tell({ events, id, rule, user, way }: Delivery, reason: UndeliveredReason): Promise<void> {
    // It was taken, by a receiver of a process that died then.
    if (events.length === 0) return;
    const told = events.slice(0, MAX_UNDELIVERED_EVENTS);
    await store.undelivered.add(user, {
      delivery_id: id,
      rule,
      way,
      reason,
      timestamp: clock.now() / 1_000,
      events: told.map(({ message, property_id }) => ({ property_id, message: message.slice(0, MAX_TOLD_LENGTH) })),
      more: events.length - told.length,
    });
  }

  const digests = createDigests({
    connection,
    prefix,
    queue: deliveries.queue,
    quietMs: async (user, way, digest) => {
      const { rules } = await store.read(user);
      const concerned = rules.filter((rule) => rule.digest === digest && rule.via.some((each) => each === way));
      return longestQuietMs(concerned, clock.now());
    },
  });
  const flushing = createJobQueue<{ digest: Digest }>({
    name: 'digests',
    prefix,
    connect: options.connectForJobs,
    metrics: options.jobMetrics,
    logger,
    concurrency: 1,
    run: ({ data }) => digests.flush(data.digest),
  });
  async function closeQueues(): Promise<void> {
    await Promise.all([deliveries.close(), flushing.close()]);
    mail?.close();
  }
  try {
    for (const digest of Object.keys(DIGESTS) as Digest[]) {
      const everyMs = DIGESTS[digest];
      const retries = { attempts: FLUSH_ATTEMPTS, firstRetryMs: settings.DELIVERY_RETRY_MS };
      const untilFull = (): number => everyMs - (clock.now() % everyMs);
      await flushing.schedule(digest, everyMs, untilFull, 'flush', { digest }, retries);
    }
  } catch (error) {
    await closeQueues();
    throw error;
  }
  const matcher = startMatcher({
    connection,
    prefix,
    name: options.name,
    store,
    clock,
    logger,
    queue: deliveries.queue,
    collect: digests.collect,
    onMissed: () => metrics.gaps.inc(),
    onSkipped: (what) => metrics.skipped.inc({ what }),
  });
  function sayWays(): void {
    store.ways
      .say(WAYS.filter((way) => carriers[way] !== undefined))
      .catch((error: unknown) => logger.debug({ err: error }, 'users are not told by which ways alerts leave'));
  }
  sayWays();
  const stopSaying = clock.every(SAY_WAYS_EVERY_MS, sayWays);
  return {
    async close() {
      stopSaying();
      await Promise.all([matcher.close(), closeQueues()]);
    },
  };
}
