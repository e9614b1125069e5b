/** How much of each channel is kept. */
import { integer } from '../service/settings.js';

export interface Retention {
  /** Events kept per channel. */
  readonly maxEvents: number;
  /** Events kept of `global`, on which every property's events meet. */
  readonly maxGlobalEvents: number;
  /** Seconds after the last event until a channel's log may be dropped, unless somebody follows it: a tenth later at most. */
  readonly logTtlSeconds: number;
  /** The same for a snapshot; 0 keeps properties' and boards' snapshots for ever. */
  readonly snapshotTtlSeconds: number;
  /** Seconds for which an idempotency key is remembered. */
  readonly idempotencyTtlSeconds: number;
}

export const retentionSettings = {
  // 128 events of 300 bytes are about 42 KB in Redis: 100,000 busy properties need some 4.2 GB.
  LOG_MAX_EVENTS: integer({ text: 'Events kept per channel for recovery', default: '128', min: 1, max: 100_000 }),
  LOG_MAX_GLOBAL_EVENTS: integer({
    text: 'Events kept of the channel `global`',
    default: '4096',
    min: 1,
    max: 1_000_000,
  }),
  LOG_TTL_SECONDS: integer({
    text: 'How long a channel’s log outlives its last event, or up to a tenth longer; longer, too, while somebody follows the channel',
    default: '604800',
    min: 7_200,
    max: 31_536_000,
    unit: 'seconds',
  }),
  SNAPSHOT_TTL_SECONDS: integer({
    text: 'How long snapshots outlive their last event, or up to a tenth longer; 0 keeps those of properties and boards',
    default: '0',
    min: 0,
    max: 31_536_000,
    unit: 'seconds',
  }),
  IDEMPOTENCY_TTL_SECONDS: integer({
    text: 'How long an Idempotency-Key is remembered',
    default: '86400',
    min: 60,
    max: 2_592_000,
    unit: 'seconds',
  }),
} as const;

export function retentionFrom(values: {
  readonly LOG_MAX_EVENTS: number;
  readonly LOG_MAX_GLOBAL_EVENTS: number;
  readonly LOG_TTL_SECONDS: number;
  readonly SNAPSHOT_TTL_SECONDS: number;
  readonly IDEMPOTENCY_TTL_SECONDS: number;
}): Retention {
  return {
    maxEvents: values.LOG_MAX_EVENTS,
    maxGlobalEvents: values.LOG_MAX_GLOBAL_EVENTS,
    logTtlSeconds: values.LOG_TTL_SECONDS,
    snapshotTtlSeconds: values.SNAPSHOT_TTL_SECONDS,
    idempotencyTtlSeconds: values.IDEMPOTENCY_TTL_SECONDS,
  };
}

/** How long a log without events is kept: a client that was away for longer gets the snapshot, in which there is nothing. */
const MARK_TTL_SECONDS = 21_600;

/** Seconds for which a log is kept that has no events, and one that somebody follows though its last event is long ago. */
export const markTtlSeconds = (retention: Pick<Retention, 'logTtlSeconds'>): number =>
  Math.min(MARK_TTL_SECONDS, retention.logTtlSeconds);

/**
 * Seconds for which a channel's snapshot is kept at least after its last event, 0 for ever. People's and roles' channels are
 * forgotten with their log; what is true of a property or a board stays true.
 */
export function snapshotTtlSeconds(channel: string, retention: Retention): number {
  if (channel.startsWith('property:') || channel.startsWith('state:')) return retention.snapshotTtlSeconds;
  return retention.snapshotTtlSeconds || retention.logTtlSeconds;
}
