/**
 * The queue of deliveries: each is tried with growing pauses until its receiver has taken it, or for some ten hours. A
 * receiver that fails or hangs is left alone for a while, and never keeps the others waiting.
 */
import {
  mayRead,
  type PreferenceStore,
  type Preferences,
  type UndeliveredReason,
  type Way,
} from '@belfry/shared/preferences';
import type { Clock, Logger } from '@belfry/shared/service';
import { DelayedError, type Job, UnrecoverableError } from 'bullmq';
import type { JobConnection } from '../jobs/connection.js';
import type { JobMetrics } from '../jobs/metrics.js';
import { createJobQueue, type JobQueue } from '../jobs/queue.js';
import { type Delivery, Undeliverable } from './delivery.js';
import type { SendMessage } from './messages.js';
import { createReceivers } from './receivers.js';
import type { SendWebhook } from './webhook.js';

/** How deliveries leave; a way that is not configured has none. */
export interface Carriers {
  readonly webhook: SendWebhook;
  readonly email: SendMessage | undefined;
  readonly sms: SendMessage | undefined;
}

export interface DeliveriesOptions {
  readonly prefix: string;
  readonly connect: () => JobConnection;
  readonly metrics: JobMetrics;
  readonly logger: Logger;
  readonly clock: Clock;
  readonly store: Pick<PreferenceStore, 'read' | 'access'>;
  readonly carriers: Carriers;
  /** Milliseconds before the second attempt; the pause doubles with each. */
  readonly firstRetryMs: number;
  readonly onDelivered: (delivery: Delivery) => void;
  readonly onDead: (delivery: Delivery, why: UndeliveredReason, reason: string) => void;
}

export interface Deliveries {
  readonly jobs: JobQueue<Delivery>;
  queue(delivery: Delivery, delayMs: number): Promise<void>;
  close(): Promise<void>;
}

/** With a first pause of 10 s the twelfth attempt comes after some eleven hours. */
const ATTEMPTS = 12;
const CONCURRENCY = 50;
/**
 * Of the jobs in hand, those of one receiver. All e-mail goes to one mail server, all SMS to one provider: if both hang,
 * a fifth of the places is left for webhooks.
 */
const PER_RECEIVER: Record<Way, number> = { webhook: 2, email: 20, sms: 20 };
/**
 * What was delivered is known by its id for that long (seconds): what is matched again meanwhile is not sent again. The
 * matcher may repeat up to 200 events: enough for 250 users of each. A job takes 2.1 kB (MEMORY USAGE), all of them 105 MB.
 */
const KEEP_DELIVERED = { age: 3_600, count: 50_000 };

export function createDeliveries(options: DeliveriesOptions): Deliveries {
  const { carriers, clock, logger } = options;
  const receivers = createReceivers({ clock, firstPauseMs: options.firstRetryMs });

  /** Where a delivery goes now: preferences may have changed since it was queued. */
  function aimOf(
    delivery: Delivery,
    preferences: Preferences,
  ): { receiver: string; send: () => Promise<void> } | undefined {
    const { email, sms, webhook } = preferences;
    switch (delivery.way) {
      case 'webhook':
        return (
          webhook && {
            // Users choose the host: it may be called `email`.
            receiver: `webhook ${new URL(webhook.url).host}`,
            send: () => carriers.webhook(webhook, delivery),
          }
        );
      case 'email':
        return email === undefined
          ? undefined
          : { receiver: 'email', send: () => via(carriers.email, 'SMTP_URL', email, delivery) };
      case 'sms':
        return sms === undefined
          ? undefined
          : { receiver: 'sms', send: () => via(carriers.sms, 'SMS_URL', sms, delivery) };
    }
  }

  /** What was waiting may have become somebody else's meanwhile. */
  async function allowed(delivery: Delivery): Promise<Delivery | undefined> {
    // Delivered by a process that died before the job was completed.
    if (delivery.events.length === 0) return undefined;
    const readable = await options.store.access.read(delivery.user);
    if (readable === undefined) return delivery;
    const events = delivery.events.filter((event) => mayRead(readable, event.property_id));
    return events.length === 0 ? undefined : { ...delivery, events };
  }

  async function run(job: Job<Delivery>): Promise<void> {
    try {
      await deliver(job);
    } catch (error) {
      if (error instanceof DelayedError) throw error;
      const reason = (error as Error).message;
      logger.warn({ delivery: job.data.id, way: job.data.way, attempt: job.attemptsMade + 1, reason }, 'not delivered');
      throw error instanceof Undeliverable ? Object.assign(new UnrecoverableError(reason), { cause: error }) : error;
    }
  }

  async function deliver(job: Job<Delivery>): Promise<void> {
    const delivery = await allowed(job.data);
    const aim = delivery && aimOf(delivery, await options.store.read(delivery.user));
    // The user does not want it any more, or may not see it any more.
    if (!aim) return;
    const visit = receivers.enter(aim.receiver, PER_RECEIVER[delivery.way]);
    if (typeof visit === 'number') {
      await job.moveToDelayed(visit, job.token);
      throw new DelayedError();
    }
    try {
      await aim.send();
    } catch (error) {
      visit.end(error instanceof Undeliverable ? 'refused' : 'failed');
      throw error;
    }
    visit.end('succeeded');
    options.onDelivered(delivery);
    await unload(job);
  }

  /** A digest is kept for its id alone: its events may take 290 kB. */
  async function unload(job: Job<Delivery>): Promise<void> {
    if (job.data.events.length === 1) return;
    try {
      await job.updateData({ ...job.data, events: [] });
    } catch (error) {
      logger.debug({ err: error, delivery: job.data.id }, 'a delivered digest keeps its events');
    }
  }

  const jobs = createJobQueue<Delivery>({
    ...options,
    name: 'deliveries',
    concurrency: CONCURRENCY,
    keepCompleted: KEEP_DELIVERED,
    run,
    // Publishers are killed and frozen for other reasons than the delivery that they have in hand.
    maxStalled: ATTEMPTS,
    onGivenUp({ data }, { cause, message: reason }) {
      logger.warn({ delivery: data.id, way: data.way, reason }, 'delivery given up');
      options.onDead(data, cause instanceof Undeliverable ? cause.why : 'failed', reason);
    },
  });
  return {
    jobs,
    queue: (delivery, delay) =>
      jobs.add('deliver', delivery, {
        jobId: delivery.id,
        delay,
        attempts: ATTEMPTS,
        backoff: { type: 'exponential', delay: options.firstRetryMs, jitter: 0.5 },
      }),
    close: jobs.close,
  };
}

function via(send: SendMessage | undefined, setting: string, to: string, delivery: Delivery): Promise<void> {
  if (!send) return Promise.reject(new Undeliverable('not_set_up', `${setting} is not set on the publisher`));
  return send(to, delivery);
}
