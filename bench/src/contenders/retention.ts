/** How much of a log is kept: as by default. */
import type { Retention } from '@belfry/shared/log';

export const RETENTION: Retention = {
  maxEvents: 128,
  maxGlobalEvents: 4_096,
  logTtlSeconds: 604_800,
  snapshotTtlSeconds: 0,
  idempotencyTtlSeconds: 86_400,
};
