/** What one client process is told to do, and what it tells back. */

export interface SwarmPlan {
  readonly port: number;
  /** Number of this process's first connection among all. */
  readonly first: number;
  readonly connections: number;
  readonly channels: number;
  /** Properties that all connections share. */
  readonly properties: number;
  readonly users: 'distinct' | 'same';
  readonly secret: string;
}

export type SwarmReport =
  | { readonly kind: 'ready' }
  /** A connection closed, or was answered by an ERROR: the measurement counts for nothing. */
  | { readonly kind: 'failed'; readonly reason: string };

/** The property ids that a connection subscribes: neighbours share most of theirs. */
export function propertiesOf(connection: number, plan: Pick<SwarmPlan, 'channels' | 'properties'>): string[] {
  return Array.from({ length: plan.channels }, (_, n) =>
    String(1_000_000_000 + ((connection * plan.channels + n) % plan.properties)),
  );
}
