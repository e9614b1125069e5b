/**
 * The names of everything in Redis. A channel's keys share a hash tag, so that on a Cluster its log, meta, snapshot and
 * topic live in one slot and one script may touch them all.
 */

/** Default prefix of every key. */
export const DEFAULT_KEY_PREFIX = 'belfry';

export interface ChannelKeys {
  /** Stream: the last events; its entry ids are the positions. */
  readonly log: string;
  /** Hash: epoch, Redis' replication id it was taken under, per lane the last intake entry applied, when ttls are renewed. */
  readonly meta: string;
  /** Hash: key to the frame of its last event. */
  readonly snapshot: string;
  /** Hash: what detection knows, per violation type. */
  readonly facts: string;
  /** Sharded pub/sub channel on which frames are published. */
  readonly topic: string;
}

export function channelKeys(prefix: string, channel: string): ChannelKeys {
  const base = `${prefix}:{${channel}}`;
  return {
    log: `${base}:log`,
    meta: `${base}:meta`,
    snapshot: `${base}:snapshot`,
    facts: `${base}:facts`,
    topic: base,
  };
}

/** Where an idempotency key of a channel is remembered. */
export const idempotencyKey = (prefix: string, channel: string, key: string): string =>
  `${prefix}:{${channel}}:key:${key}`;

/**
 * The idempotency key of part `n` of what was sent under `key`. None that somebody sends is equal to it: in a header and
 * through the reporter keys are printable.
 */
export const partKey = (key: string, n: number): string => `${key}\u001f${n}`;

/** The channel behind a topic; undefined for a foreign name. */
export function channelOfTopic(prefix: string, topic: string): string | undefined {
  return topic.startsWith(`${prefix}:{`) && topic.endsWith('}') ? topic.slice(prefix.length + 2, -1) : undefined;
}

/** The one stream through which every change comes in. */
export const intakeKey = (prefix: string): string => `${prefix}:intake`;

/** The name under which gateways talk to each other over their links: no channel of clients can have it. */
export const CLUSTER_TOPIC_NAME = 'cluster';

export interface ClusterKeys {
  /** Sorted set: gateways by when they were last heard, in milliseconds. */
  readonly nodes: string;
  /** What a gateway says of itself; gone soon after it is. */
  readonly node: (name: string) => string;
  /** Which process holds a gateway's name. */
  readonly owner: (name: string) => string;
  /** Another process that wanted it. */
  readonly rival: (name: string) => string;
  /** Hash: revoked tokens and users. */
  readonly revoked: string;
  /** Another text after every change of `revoked`. */
  readonly revokedVersion: string;
  /** List: what the gateways answered to a command. */
  readonly replies: (command: string) => string;
  /** Stream: frames of a traced user. */
  readonly trace: (id: string) => string;
  /** A one-time ticket. */
  readonly ticket: (id: string) => string;
  readonly topic: string;
}

export function clusterKeys(prefix: string): ClusterKeys {
  const base = `${prefix}:{${CLUSTER_TOPIC_NAME}}`;
  return {
    nodes: `${base}:nodes`,
    node: (name) => `${base}:node:${name}`,
    owner: (name) => `${base}:owner:${name}`,
    rival: (name) => `${base}:rival:${name}`,
    revoked: `${base}:revoked`,
    revokedVersion: `${base}:revoked:version`,
    replies: (command) => `${base}:replies:${command}`,
    trace: (id) => `${base}:trace:${id}`,
    ticket: (id) => `${base}:ticket:${id}`,
    topic: base,
  };
}
