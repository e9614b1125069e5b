/** What a service publishes: `channel`, `type`, optionally `timestamp` and `key`, and its own data. */
export interface ServiceEvent {
  /** The canonical name of the channel. */
  readonly channel: string;
  readonly type: string;
  /** Seconds since 1970; the time of intake when left out. */
  readonly timestamp?: number;
  /** Which snapshot entry the event replaces; without one it is not part of the snapshot. */
  readonly key?: string;
  readonly [field: string]: unknown;
}
