/**
 * What is told of the `error` events of BullMQ, by which two things come. That Redis is away every connection says several
 * times a second: it is told once, and once that it is back. What failed for any other reason, such as a lock that could not
 * be renewed, is always told.
 */
import { type Logger, saysConnectionLost } from '@belfry/shared/service';

export interface QueueTroubles {
  /** Takes an `error` event. */
  failed(error: Error): void;
  /**
   * A connection is ready, for the first time or again. Attempts from before the return of ours may still fail behind it;
   * one of BullMQ's own is itself what could fail.
   */
  ready(whose: 'ours' | 'of BullMQ'): void;
}

export interface QueueTroublesOptions {
  readonly queue: string;
  /** Whether every connection of ours is ready. Those that BullMQ opens for itself are not seen. */
  readonly isConnected: () => boolean;
  readonly logger: Logger;
  /** Milliseconds that only grow. Default performance.now. */
  readonly steadyMs?: (() => number) | undefined;
}

/** Errors that come closer to one another than that are of one absence: connections try again within two seconds. */
export const SAME_ABSENCE_MS = 30_000;
/** BullMQ's own connections may tell of an absence behind its end: of an attempt that began before it. */
export const AFTERMATH_MS = 5_000;

export function createQueueTroubles(options: QueueTroublesOptions): QueueTroubles {
  const { isConnected, logger, queue, steadyMs = () => performance.now() } = options;
  let lostAt: number | undefined;
  let backAt = Number.NEGATIVE_INFINITY;
  let failure: { readonly text: string; readonly at: number } | undefined;

  function lost(err: Error): void {
    const now = steadyMs();
    if (isConnected() && now - backAt < AFTERMATH_MS) {
      logger.debug({ err, queue }, 'queue tells of an absence that is over');
      return;
    }
    const known = lostAt !== undefined && now - lostAt < SAME_ABSENCE_MS;
    lostAt = now;
    if (known) logger.debug({ err, queue }, 'queue still without Redis');
    else logger.warn({ err, queue }, 'queue lost Redis');
  }

  function failedOtherwise(err: Error): void {
    const now = steadyMs();
    // What Redis refuses a connection for, such as a wrong password, each of its attempts says anew.
    const same = failure?.text === err.message && now - failure.at < SAME_ABSENCE_MS;
    if (same && !isConnected()) {
      logger.debug({ err, queue }, 'queue is still refused');
      return;
    }
    failure = { text: err.message, at: now };
    logger.warn({ err, queue }, 'queue reports a failure');
  }

  return {
    failed: (error) => (saysConnectionLost(error) ? lost(error) : failedOtherwise(error)),
    ready(whose) {
      if (!isConnected()) return;
      if (whose === 'ours') backAt = steadyMs();
      if (lostAt === undefined) return;
      lostAt = undefined;
      logger.info({ queue }, 'queue has Redis again');
    },
  };
}
