/** A connection as operators see it. */
export interface SessionDetails {
  readonly connection_id: string;
  readonly node: string;
  readonly user_id: string | undefined;
  readonly role: string | undefined;
  readonly address: string;
  /** Seconds since 1970. */
  readonly connected_at: number;
  readonly last_seen: number;
  readonly expires_at: number | undefined;
  /** Bytes that wait for the client to read them. */
  readonly buffered_bytes: number;
  readonly messages_received: number;
  /** On average over the connection's life. */
  readonly messages_per_minute: number;
  /** What it may send at once before it is over its rate. */
  readonly messages_left: number;
  readonly last_messages: readonly string[];
  /** Channels, and where each stands. */
  readonly subscriptions: Readonly<Record<string, string>>;
}

/** With one decimal; within the first second as if it had lasted one. */
export const perMinute = (count: number, ms: number): number =>
  Math.round((count / Math.max(ms, 1_000)) * 600_000) / 10;
