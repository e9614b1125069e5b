/** What a channel is made with, and what it tells of itself. */
import type { LogReader } from '@belfry/shared/log';
import type { Backoff, Clock } from '@belfry/shared/service';
import type { PublishToFollowers } from './subscriber.js';
import type { TailBudget } from './tail.js';

/** Why a channel reads its log again. */
export type RepairCause = 'hole' | 'epoch' | 'check';

export interface ChannelObserver {
  readonly repaired: (cause: RepairCause, outcome: 'continued' | 'resynced') => void;
  readonly joined: (outcome: 'fresh' | 'recovered' | 'not_recovered', replayed: number) => void;
  readonly ignored: (reason: 'known' | 'older_epoch' | 'foreign') => void;
  readonly delivered: (followers: number, bytes: number) => void;
}

/** What all channels of a gateway share. */
export interface ChannelOptions {
  readonly log: LogReader;
  readonly publish: PublishToFollowers;
  readonly clock: Clock;
  /** Between attempts to read a log that does not answer. */
  readonly createBackoff: () => Backoff;
  readonly budget: TailBudget;
  readonly observer: ChannelObserver;
  readonly tailEvents: number;
  /** Live events held during one reading; more than that are dropped, and found in the log. */
  readonly maxHeld: number;
}
