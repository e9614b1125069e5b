/**
 * The queue of deliveries: each is tried with growing pauses until its receiver has taken it, or for some ten hours. A
 * receiver that fails or hangs is left alone for a while, and never keeps the others waiting.
 */
import { mayRead, type PreferenceStore, type Preferences } from '@belfry/shared/preferences';
import type { Clock, Logger } from '@belfry/shared/service';
import { DelayedError, type Job, UnrecoverableError } from 'bullmq';
import type { JobConnection } from '../jobs/connection.js';
import type { JobMetrics } from '../jobs/metrics.js';
import { createJobQueue, type JobQueue } from '../jobs/queue.js';
import { type Delivery, Undeliverable } from './delivery.js';
import type { SendMessage } from './messages.js';
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
  readonly onDead: (delivery: Delivery, reason: string) => void;
}

export interface Deliveries {
  readonly jobs: JobQueue<Delivery>;
  queue(delivery: Delivery, delayMs: number): Promise<void>;
  close(): Promise<void>;
}

/** With a first pause of 10 s the twelfth attempt comes after some eleven hours. */
const ATTEMPTS = 12;
const CONCURRENCY = 50;
/** Of the jobs in hand, those of one receiver. */
const PER_RECEIVER = 2;
const CROWDED_MS = 1_000;
const MAX_PAUSE_MS = 60_000;

interface Receiver {
  inHand: number;
  failures: number;
  pausedUntil: number;
}

export function createDeliveries(options: DeliveriesOptions): Deliveries {
  const { carriers, clock, logger } = options;
  const receivers = new Map<string, Receiver>();

  /** Where a delivery goes now: preferences may have changed since it was queued. */
  function aimOf(
    delivery: Delivery,
    preferences: Preferences,
  ): { receiver: string; send: () => Promise<void> } | undefined {
    const { email, sms, webhook } = preferences;
    switch (delivery.way) {
      case 'webhook':
        return webhook && { receiver: new URL(webhook.url).host, send: () => carriers.webhook(webhook, delivery) };
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
    const readable = await options.store.access.read(delivery.user);
    if (readable === undefined) return delivery;
    const events = delivery.events.filter((event) => mayRead(readable, event.property_id));
    return events.length === 0 ? undefined : { ...delivery, events };
  }

  async function run(job: Job<Delivery>): Promise<void> {
    const delivery = await allowed(job.data);
    const aim = delivery && aimOf(delivery, await options.store.read(delivery.user));
    // The user does not want it any more, or may not see it any more.
    if (!aim) return;
    const receiver = receivers.get(aim.receiver) ?? { inHand: 0, failures: 0, pausedUntil: 0 };
    receivers.set(aim.receiver, receiver);
    const now = clock.now();
    const crowded = receiver.inHand >= PER_RECEIVER && delivery.way === 'webhook';
    if (receiver.pausedUntil > now || crowded) {
      await job.moveToDelayed(Math.max(receiver.pausedUntil, now + CROWDED_MS), job.token);
      throw new DelayedError();
    }
    receiver.inHand += 1;
    try {
      await aim.send();
      receivers.delete(aim.receiver);
      options.onDelivered(delivery);
    } catch (error) {
      fail(job, receiver, error);
    } finally {
      receiver.inHand -= 1;
    }
  }

  function fail(job: Job<Delivery>, receiver: Receiver, error: unknown): never {
    const reason = (error as Error).message;
    const final = error instanceof Undeliverable;
    if (!final) {
      receiver.failures += 1;
      receiver.pausedUntil = clock.now() + Math.min(MAX_PAUSE_MS, options.firstRetryMs * 2 ** (receiver.failures - 1));
    }
    logger.warn({ delivery: job.data.id, way: job.data.way, attempt: job.attemptsMade + 1, reason }, 'not delivered');
    if (final || job.attemptsMade + 1 >= ATTEMPTS) options.onDead(job.data, reason);
    throw final ? new UnrecoverableError(reason) : error;
  }

  const jobs = createJobQueue<Delivery>({ ...options, name: 'deliveries', concurrency: CONCURRENCY, run });
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
  if (!send) return Promise.reject(new Undeliverable(`${setting} is not set on the publisher`));
  return send(to, delivery);
}
