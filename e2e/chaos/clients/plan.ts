/** What is said between the run and its client processes. */

export type Plant = 'drop' | 'double' | 'reorder';

/** Everything a client process has to know. */
export interface SwarmPlan {
  /** The number of the first client. */
  readonly first: number;
  readonly clients: number;
  readonly seed: number;
  readonly properties: number;
  readonly channelsPerClient: number;
  /** Every how manyth client follows `global`; 0: none. */
  readonly globalEvery: number;
  /** Every how manyth client connects through the proxy; 0: none. */
  readonly proxiedEvery: number;
  /** Per gateway: its own port, and the proxy's before it. */
  readonly gateways: readonly { readonly port: number; readonly proxied: number }[];
  readonly secret: string;
  readonly startedAt: number;
  readonly recordFile: string;
  /** Falsifies what some clients receive; the audit has to find it. */
  readonly plant: Plant | undefined;
}

export type SwarmCommand =
  | { readonly do: 'start'; readonly plan: SwarmPlan }
  /** Which gateways a load balancer would send connections to. */
  | { readonly do: 'health'; readonly up: readonly boolean[] }
  /** Breaks the connections of this share of the clients, all at once; they try again `holdMs` later at the earliest. */
  | { readonly do: 'cut'; readonly share: number; readonly holdMs?: number }
  /** How long did clients need to come back since this was asked last? The answer is `recoveries`. */
  | { readonly do: 'recoveries' }
  /** So many clients follow the board of large events, and after `afterMs` stop reading for a while. */
  | { readonly do: 'stall'; readonly clients: number; readonly afterMs: number; readonly ms: number }
  /** This share of the clients leaves a channel and comes back to it after up to `ms`. */
  | { readonly do: 'churn'; readonly share: number; readonly ms: number }
  /** Falsifies the next events of one client. */
  | { readonly do: 'plant' }
  /** Who is not at these ends? The answer is `behind`. */
  | { readonly do: 'compare'; readonly ends: readonly (readonly [channel: number, epoch: number, offset: number])[] }
  | { readonly do: 'finish' };

/** One client that came back: all its channels answered, every replay complete. Milliseconds. */
export interface Recovery {
  readonly sinceLoss: number;
  /** Since the first attempt to connect, which comes after the client's own reconnect delay. */
  readonly sinceAttempt: number;
}

export interface SwarmStatus {
  readonly clients: number;
  /** Connected, and every channel answered. */
  readonly live: number;
  readonly deliveries: number;
  readonly stalled: number;
}

export type SwarmReport =
  | { readonly say: 'status'; readonly status: SwarmStatus }
  | { readonly say: 'behind'; readonly count: number; readonly examples: readonly string[] }
  | { readonly say: 'recoveries'; readonly list: readonly Recovery[] }
  | { readonly say: 'finished'; readonly status: SwarmStatus; readonly counts: Readonly<Record<string, number>> };
