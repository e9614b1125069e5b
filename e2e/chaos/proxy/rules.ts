/** What the proxy does to the connections of one route. */

/** A route leads from a port of the proxy's own to one of a server's. */
export interface Route {
  readonly name: string;
  readonly target: number;
}

export interface Rules {
  /** Every chunk waits so long, in both directions, plus up to half of it again. */
  readonly latencyMs: number;
  /** 0: no limit. */
  readonly bytesPerSecond: number;
  /** Chunks are cut into pieces of this size; 0: they are not. */
  readonly sliceBytes: number;
  /** New connections are refused. */
  readonly refuse: boolean;
}

export const NO_RULES: Rules = { latencyMs: 0, bytesPerSecond: 0, sliceBytes: 0, refuse: false };

export type ProxyCommand =
  | { readonly do: 'start'; readonly routes: readonly Route[] }
  | { readonly do: 'rules'; readonly route: string; readonly rules: Rules }
  /** Breaks the connections that there are, with a reset. */
  | { readonly do: 'cut'; readonly route: string; readonly share: number }
  /** The connections that there are stay open and carry nothing any more, for ever; new ones are not concerned. */
  | { readonly do: 'halfOpen'; readonly route: string; readonly share: number };

export type ProxyReport = { readonly say: 'listening'; readonly ports: Readonly<Record<string, number>> };
