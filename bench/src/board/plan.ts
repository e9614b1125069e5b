/** What the measurement and its client process tell each other. */

export interface FollowersPlan {
  readonly port: number;
  readonly followers: number;
  readonly token: string;
  readonly channel: string;
}

export type FollowersMessage =
  | { readonly kind: 'ready' }
  | { readonly kind: 'failed'; readonly reason: string }
  | FollowersReport;

export interface FollowersReport {
  readonly kind: 'report';
  /** Pushes that all followers got together, and their bytes. */
  readonly pushes: number;
  readonly bytes: number;
  readonly patches: number;
  /** Of any follower and key, the most pushes. */
  readonly mostPushes: number;
  /** Of any follower and key, the least time between two pushes, in milliseconds. */
  readonly leastGapMs: number;
  /** From the change to its push, of those pushes that were not held back by the interval; in milliseconds. */
  readonly firstMs: { readonly p50: number; readonly p99: number };
  /** Followers that have the last value of every key. */
  readonly complete: number;
}

/** Asks for the report. */
export interface ReportRequest {
  /** The last value of each key. */
  readonly last: Readonly<Record<string, number>>;
}
