/**
 * Connections to Redis for commands: standalone, Sentinel or Cluster behind one URL. Subscriptions have connections of
 * their own: see `link.ts`.
 */
import { readFileSync } from 'node:fs';
import { Cluster, Redis, type RedisOptions } from 'ioredis';
import { url } from '../service/settings.js';

/** What this project sends commands through. */
export type Connection = Redis | Cluster;

const redisUrl = url({
  text: 'Redis 7 or later: redis://host:6379/0, rediss:// for TLS (with `?ca=`, and `&cert=` and `&key=`, naming PEM files), redis+sentinel://host:26379,host:26379/master-name, redis+cluster://host:6379,host:6379',
  default: 'redis://127.0.0.1:6379',
  secret: true,
  severalHosts: true,
  protocols: ['redis:', 'rediss:', 'redis+sentinel:', 'rediss+sentinel:', 'redis+cluster:', 'rediss+cluster:'],
});

/** `redis://` is one Redis, and what stands behind its host a database's number: several URLs in a row look alike. */
const NO_SINGLE_REDIS = /^rediss?:\/\/(?:[^@/]*@|(?![^/?]*@))(?:[^@/?]*,|[^@/?]*\/(?!\d*(?:\?|$)))/;

export const redisSettings = {
  REDIS_URL: {
    ...redisUrl,
    read(value: string) {
      if (NO_SINGLE_REDIS.test(value))
        throw new Error('must be redis://host:port/number where it names a single Redis');
      return redisUrl.read(value);
    },
  },
} as const;

export interface RedisAddress {
  readonly kind: 'standalone' | 'sentinel' | 'cluster';
  readonly nodes: readonly { readonly host: string; readonly port: number }[];
  /** The master's name, for Sentinel. */
  readonly master: string | undefined;
  readonly options: RedisOptions;
}

/**
 * Takes a `REDIS_URL` apart. Hosts are separated by commas; credentials stand once, before the first.
 * @throws Error where a PEM file that it names cannot be read: nothing is ever sent without TLS where TLS was asked for
 */
export function parseRedisUrl(text: string): RedisAddress {
  const match = /^(rediss?)(?:\+(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^/?]*)(?:\/([^?]*))?(?:\?(.*))?$/.exec(text);
  if (!match) throw new Error('not a Redis URL');
  const [, scheme, kind, credentials, hosts, path, query] = match;
  const [username, password] = (credentials ?? '').split(':').map(decodeURIComponent);
  const standardPort = kind === 'sentinel' ? 26379 : 6379;
  const options: RedisOptions = {
    ...(username ? { username } : {}),
    ...(password ? { password } : {}),
    ...(scheme === 'rediss' ? tlsOptions(kind, new URLSearchParams(query)) : {}),
    ...(kind !== 'cluster' && kind !== 'sentinel' && path ? { db: Number(path) } : {}),
  };
  return {
    kind: (kind as 'sentinel' | 'cluster' | undefined) ?? 'standalone',
    nodes: (hosts || '127.0.0.1').split(',').map((node) => hostAndPort(node, standardPort)),
    master: kind === 'sentinel' ? path || 'mymaster' : undefined,
    options,
  };
}

/** Sentinels and the masters that they name are two connections, and ioredis asks about TLS for each. */
function tlsOptions(kind: string | undefined, query: URLSearchParams): RedisOptions {
  const pem = (name: string) => {
    const path = query.get(name);
    return path === null ? {} : { [name]: readFileSync(path) };
  };
  const tls = { ...pem('ca'), ...pem('cert'), ...pem('key') };
  return { tls, ...(kind === 'sentinel' ? { sentinelTLS: tls, enableTLSForSentinelMode: true } : {}) };
}

function hostAndPort(node: string, standardPort: number): { host: string; port: number } {
  const match = /^(?:\[([^\]]+)\]|([^:]*))(?::(\d+))?$/.exec(node);
  return { host: match?.[1] ?? (match?.[2] || '127.0.0.1'), port: match?.[3] ? Number(match[3]) : standardPort };
}

export interface ConnectionOptions {
  readonly url: string;
  /** Shown in `CLIENT LIST`. */
  readonly name: string;
  /** Milliseconds until a command that Redis does not answer fails. Default 5,000. */
  readonly commandTimeoutMs?: number;
  /**
   * Whether a command whose answer was lost with its connection is sent again by itself. Default true. False for what
   * must not happen twice without its caller knowing: there such a command fails at once.
   */
  readonly resend?: boolean;
  readonly onError: (error: Error) => void;
}

/**
 * Connects for commands. While Redis is away a command fails after `commandTimeoutMs`: callers decide whether to repeat,
 * nothing is queued without bound. The connection itself comes back by itself, with backoff.
 */
export function connect(options: ConnectionOptions): Connection {
  const address = parseRedisUrl(options.url);
  const commandTimeoutMs = options.commandTimeoutMs ?? 5_000;
  const common: RedisOptions = {
    ...address.options,
    connectionName: options.name,
    commandTimeout: commandTimeoutMs,
    // Half-open: the kernel on the way still acknowledges, Redis never answers. A command's own timeout would leave such
    // a connection in use for ever.
    socketTimeout: commandTimeoutMs,
    connectTimeout: 5_000,
    keepAlive: 10_000,
    maxRetriesPerRequest: options.resend === false ? 0 : 1,
    autoResendUnfulfilledCommands: options.resend !== false,
    retryStrategy: (attempt) => Math.min(2_000, 50 * 2 ** Math.min(attempt, 6)) * (0.5 + Math.random() / 2),
  };
  const connection = open(address, common);
  if (connection instanceof Cluster) limitWaiting(connection, commandTimeoutMs);
  connection.on('error', options.onError);
  neverEnd(connection, options.onError);
  return connection;
}

/**
 * ioredis counts a command's time from when a node gets it. While there is no node left, commands wait in the Cluster's own
 * queue, and would for ever: here the time counts from the beginning.
 */
function limitWaiting(cluster: Cluster, commandTimeoutMs: number): void {
  const send = cluster.sendCommand.bind(cluster);
  cluster.sendCommand = (command, ...more) => {
    command.setTimeout(commandTimeoutMs);
    return send(command, ...more);
  };
}

const REVIVE_MS = 200;

/**
 * ioredis gives a connection up for ever when it is interrupted while it looks for the master: as by the news of a
 * failover, which comes at that very moment. Here it ends only when its owner says so.
 */
function neverEnd(connection: Connection, onError: (error: Error) => void): void {
  const disconnect = connection.disconnect.bind(connection);
  let wanted = true;
  connection.disconnect = (reconnect = false) => {
    if (!reconnect) wanted = false;
    disconnect(reconnect);
  };
  connection.on('end', () => {
    setTimeout(() => {
      if (wanted && connection.status === 'end') connection.connect().catch(onError);
    }, REVIVE_MS);
  });
}

/** A sentinel that does not answer in this time is passed over for the next. */
export const SENTINEL_MS = 2_000;

function open(address: RedisAddress, options: RedisOptions): Connection {
  const [first] = address.nodes;
  switch (address.kind) {
    case 'standalone':
      return new Redis({ ...options, ...first });
    case 'sentinel':
      return new Redis({
        ...options,
        sentinels: [...address.nodes],
        name: address.master ?? 'mymaster',
        sentinelCommandTimeout: SENTINEL_MS,
        sentinelRetryStrategy: (attempt: number) => Math.min(1_000, 50 * attempt),
        failoverDetector: true,
      });
    case 'cluster':
      return new Cluster([...address.nodes], {
        redisOptions: options,
        clusterRetryStrategy: (attempt) => Math.min(2_000, 50 * attempt),
        slotsRefreshTimeout: 2_000,
        slotsRefreshInterval: 5_000,
        // Above 0 it sends again what was under way when a connection closed, and so perhaps a second time.
        retryDelayOnFailover: options.autoResendUnfulfilledCommands === false ? 0 : 100,
        retryDelayOnClusterDown: 200,
      });
  }
}
