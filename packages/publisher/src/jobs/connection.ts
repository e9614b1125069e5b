/**
 * Connections for BullMQ. They differ from those for other commands: a worker waits for its next job in a blocking
 * command, which must neither time out nor be given up when the connection is lost.
 */
import { parseRedisUrl } from '@belfry/shared/log';
import { Cluster, Redis, type RedisOptions } from 'ioredis';

export type JobConnection = Redis | Cluster;

/** @param url as `REDIS_URL` */
export function connectForJobs(url: string, name: string, onError: (error: Error) => void): JobConnection {
  const address = parseRedisUrl(url);
  const options: RedisOptions = {
    ...address.options,
    connectionName: name,
    connectTimeout: 5_000,
    keepAlive: 10_000,
    maxRetriesPerRequest: null,
    retryStrategy: (attempt) => Math.min(2_000, 50 * 2 ** Math.min(attempt, 6)) * (0.5 + Math.random() / 2),
  };
  const connection = open(address, options);
  connection.on('error', onError);
  return connection;
}

function open(address: ReturnType<typeof parseRedisUrl>, options: RedisOptions): JobConnection {
  const [first] = address.nodes;
  switch (address.kind) {
    case 'standalone':
      return new Redis({ ...options, ...first });
    case 'sentinel':
      return new Redis({
        ...options,
        sentinels: [...address.nodes],
        name: address.master ?? 'mymaster',
        // No `failoverDetector`: it can end a connection for good (see shared/log's connection.ts).
        reconnectOnError: (error: Error) => error.message.startsWith('READONLY'),
      });
    case 'cluster':
      return new Cluster([...address.nodes], {
        redisOptions: options,
        clusterRetryStrategy: (attempt) => Math.min(2_000, 50 * attempt),
        slotsRefreshTimeout: 2_000,
      });
  }
}
