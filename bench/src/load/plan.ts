/** What one client process is told to do, and what it tells back. */
import type { ContenderName } from '../contenders/names.js';
import type { HistogramCounts } from './histogram.js';

export interface SwarmPlan {
  readonly contender: ContenderName;
  readonly port: number;
  /** Number of this process's first connection among all. */
  readonly first: number;
  readonly connections: number;
  /** Channels that each connection subscribes; 0 for none. */
  readonly channelsEach: number;
  /** Channels that all connections share. */
  readonly channels: number;
  /** Whether every connection is another user's. */
  readonly users: 'distinct' | 'same';
  readonly secret: string;
  /** Connections that may be under way at the same time. */
  readonly atOnce: number;
  /** Every n-th connection looks into its events for when they were sent. */
  readonly sampleEvery: number;
  /**
   * Milliseconds for which the process rests between two rounds of reading. What came meanwhile is read in one go, which
   * costs clients less and makes them later: for rates, where clients must not be what is measured; 0 for latencies.
   */
  readonly restMs: number;
  /** Whether clients read every event to remember where they stand, so that they can resume. */
  readonly remember: boolean;
  /** Whether clients stop reading once they are ready, and do not mind being closed for it. */
  readonly stall: boolean;
}

export type SwarmCommand =
  | { readonly kind: 'prepare'; readonly plan: SwarmPlan }
  | { readonly kind: 'connect' }
  /** Cuts every connection off, as a network does. */
  | { readonly kind: 'drop' }
  /** From here on so many connect every second, and as many are cut off; `alive` are connected at any time. */
  | { readonly kind: 'churn'; readonly perSecond: number; readonly alive: number }
  /** Forgets the latencies so far. */
  | { readonly kind: 'reset' }
  | { readonly kind: 'stats' };

export interface SwarmStats {
  readonly events: number;
  readonly bytes: number;
  readonly latencies: HistogramCounts;
}

export type SwarmReport =
  | { readonly kind: 'prepared' }
  /** All of its connections are ready. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'dropped' }
  /** Events received so far. */
  | { readonly kind: 'progress'; readonly events: number }
  | { readonly kind: 'stats'; readonly stats: SwarmStats }
  /** A connection closed, or was answered by an error: the measurement counts for nothing. */
  | { readonly kind: 'failed'; readonly reason: string };

/** Coprime to every number of channels used here: neighbours share none of their channels, and every channel gets as many. */
const STRIDE = 37;

/** The channels that a connection subscribes, by their numbers. */
export function channelsOf(connection: number, plan: Pick<SwarmPlan, 'channelsEach' | 'channels'>): number[] {
  return Array.from({ length: plan.channelsEach }, (_, n) => (connection + n * STRIDE) % plan.channels);
}

export const propertyOfChannel = (channel: number): string => String(1_000_000_000 + channel);
export const channelName = (channel: number): string => `property:${propertyOfChannel(channel)}`;
