/** The names of what the intake keeps in Redis beside its stream (`intakeKey` of shared/log). */
import { intakeKey } from '@belfry/shared/log';
import type { ShareKeys } from '../leases/shares.js';

export interface IntakeKeys extends ShareKeys {
  /** Stream: what services report. */
  readonly stream: string;
  /** Stream, bounded: entries that can never succeed. */
  readonly dead: string;
  /** Hash: how far a share is worked off (`p`), and under which generations of Redis that is true (`g`). */
  checkpoint(share: number): string;
}

export function intakeKeys(prefix: string): IntakeKeys {
  const stream = intakeKey(prefix);
  return {
    stream,
    dead: `${stream}:dead`,
    publishers: `${stream}:publishers`,
    shares: `${stream}:shares`,
    lease: (share) => `${stream}:share:${share}:lease`,
    checkpoint: (share) => `${stream}:share:${share}:checkpoint`,
  };
}
