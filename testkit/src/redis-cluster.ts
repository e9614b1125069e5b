/** A Redis Cluster for tests: three masters with a replica each, formed by hand as that takes a second, not ten. */
import { Cluster, type ClusterOptions, type Redis } from 'ioredis';
import { freePort } from '../../scripts/free-port.mjs';
import { eventually } from './deadline.js';
import { REPLICATION_ARGS, readInfo, replicaInSync, startRedis, type TestRedis } from './redis.js';

const MASTERS = 3;
const SLOTS = 16_384;
/** A master is failed over after about this long. */
const NODE_TIMEOUT_MS = 2_000;
/** An election without a winner is repeated after four times that: room for three of them. */
const FAILOVER_DEADLINE_MS = 40_000;

export interface TestCluster {
  /** All nodes; the first three are the masters at the start. */
  readonly nodes: readonly TestRedis[];
  /** `redis://<host>:<port>` of every node, separated by commas. */
  readonly urls: string;
  /** A new Cluster connection; closed by `stop`. */
  connect(options?: ClusterOptions): Cluster;
  /** The node that serves this key's slot now. */
  masterOf(key: string): Promise<TestRedis>;
  /** Resolves with the new master of `key` once it is another node than `former` and the cluster is whole. */
  failedOver(key: string, former: TestRedis): Promise<TestRedis>;
  stop(): Promise<void>;
}

/** Resolves when every slot is served and every replica in sync. */
export async function startCluster(): Promise<TestCluster> {
  const nodes: TestRedis[] = [];
  const connections = new Set<Cluster>();
  const stop = async () => {
    for (const connection of connections) connection.disconnect();
    await Promise.all(nodes.map((node) => node.stop()));
  };
  try {
    for (let i = 0; i < MASTERS * 2; i++) nodes.push(await startNode());
    await form(nodes);
  } catch (error) {
    await stop();
    throw error;
  }

  const masterOf = async (key: string, asked: TestRedis | undefined = nodes[0]) => {
    if (!asked) throw new Error('the cluster has no nodes');
    const redis = asked.connect();
    try {
      const slot = Number(await redis.cluster('KEYSLOT', key));
      const ranges = await redis.cluster('SLOTS');
      const port = ranges.find(([from, to]) => from <= slot && slot <= to)?.[2]?.[1];
      const node = nodes.find((candidate) => candidate.port === port);
      if (!node) throw new Error(`no node serves slot ${slot}`);
      return node;
    } finally {
      redis.disconnect();
    }
  };
  return {
    nodes,
    urls: nodes.map(({ url }) => url).join(','),
    connect(options = {}) {
      const cluster = new Cluster(
        nodes.map(({ host, port }) => ({ host, port })),
        options,
      );
      cluster.on('error', () => undefined);
      connections.add(cluster);
      return cluster;
    },
    masterOf,
    failedOver: (key, former) =>
      eventually(
        'failover',
        async () => {
          const asked = nodes.find((node) => node !== former);
          const now = await masterOf(key, asked);
          return now !== former && asked && (await isWhole(asked)) ? now : undefined;
        },
        { deadlineMs: FAILOVER_DEADLINE_MS },
      ),
    stop,
  };
}

async function startNode(): Promise<TestRedis> {
  // By default the nodes' own port is 10,000 higher, which is past the end for most free ports.
  const busPort = await freePort();
  return await startRedis({
    args: [
      ...['--cluster-enabled', 'yes', '--cluster-port', `${busPort}`, '--cluster-node-timeout', `${NODE_TIMEOUT_MS}`],
      ...REPLICATION_ARGS,
    ],
  });
}

async function form(nodes: readonly TestRedis[]): Promise<void> {
  const connections = nodes.map((node) => node.connect());
  const masters = connections.slice(0, MASTERS);
  for (const [i, redis] of connections.entries()) await redis.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
  for (const [i, redis] of masters.entries()) {
    const from = Math.ceil((SLOTS * i) / MASTERS);
    const to = Math.ceil((SLOTS * (i + 1)) / MASTERS) - 1;
    await redis.call('CLUSTER', 'ADDSLOTSRANGE', from, to);
  }
  const [first] = connections;
  for (const node of nodes.slice(1)) {
    await first?.call('CLUSTER', 'MEET', node.host, node.port, await busPortOf(node));
  }
  await Promise.all(connections.map((redis) => knowsAll(redis, nodes.length)));
  for (const [i, redis] of connections.slice(MASTERS).entries()) {
    await redis.call('CLUSTER', 'REPLICATE', (await masters[i]?.call('CLUSTER', 'MYID')) as string);
  }
  await Promise.all(nodes.slice(MASTERS).map(replicaInSync));
  await Promise.all(nodes.map((node) => eventually('whole cluster', () => isWhole(node), { deadlineMs: 30_000 })));
  for (const redis of connections) redis.disconnect();
}

async function busPortOf(node: TestRedis): Promise<string> {
  const redis = node.connect();
  const [, port] = (await redis.config('GET', 'cluster-port')) as [string, string];
  redis.disconnect();
  return port;
}

async function knowsAll(redis: Redis, count: number): Promise<void> {
  await eventually('acquaintance of all nodes', async () => {
    const nodes = String(await redis.cluster('NODES')).trim();
    return nodes.split('\n').length === count && !nodes.includes('handshake');
  });
}

async function isWhole(node: TestRedis): Promise<boolean> {
  const redis = node.connect();
  try {
    return readInfo(String(await redis.cluster('INFO'))).get('cluster_state') === 'ok';
  } finally {
    redis.disconnect();
  }
}
