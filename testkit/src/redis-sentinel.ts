/** A Sentinel set for tests of failover: a master, its replicas, and three sentinels with short timeouts. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { ownFolder } from '../../scripts/processes.mjs';
import { eventually } from './deadline.js';
import { REPLICATION_ARGS, replicaInSync, startRedis, type TestRedis } from './redis.js';

const SENTINELS = 3;
const QUORUM = 2;
/** Long enough for a busy two-core machine to answer a PING, short enough for a test to wait for. */
const DOWN_AFTER_MS = 1_000;
const FAILOVER_TIMEOUT_MS = 5_000;
/** An election without a winner, as where all three stand for it, is repeated after twice that: room for three of them. */
const FAILOVER_DEADLINE_MS = 40_000;

export interface TestSentinel {
  /** The name the master is known by: `belfry`. */
  readonly name: string;
  /** For ioredis: `new Redis({ sentinels, name })`. */
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  /** `redis://<host>:<port>` of every sentinel, separated by commas. */
  readonly sentinelUrls: string;
  /** The data nodes, the first master first. */
  readonly nodes: readonly TestRedis[];
  /** The node that the sentinels call master now. */
  master(): Promise<TestRedis>;
  /** Resolves with the new master once it is another node than `former`. */
  failedOver(former: TestRedis): Promise<TestRedis>;
  stop(): Promise<void>;
}

/** Resolves when all replicas are in sync and every sentinel knows every other and every replica. */
export async function startSentinel({ replicas = 1 }: { replicas?: 1 | 2 } = {}): Promise<TestSentinel> {
  const name = 'belfry';
  const folder = ownFolder('sentinel');
  const nodes: TestRedis[] = [];
  const sentinels: TestRedis[] = [];
  const stop = async () => {
    await Promise.all([...sentinels, ...nodes].map((node) => node.stop()));
    await folder.remove();
  };

  try {
    const first = await startRedis({ args: REPLICATION_ARGS });
    nodes.push(first);
    const following = ['--replicaof', `127.0.0.1 ${first.port}`, ...REPLICATION_ARGS];
    for (let i = 0; i < replicas; i++) nodes.push(await startRedis({ args: following }));
    await Promise.all(nodes.slice(1).map(replicaInSync));

    for (let i = 0; i < SENTINELS; i++) {
      const configFile = join(folder.path, `sentinel-${i}.conf`);
      await writeFile(
        configFile,
        [
          `sentinel monitor ${name} 127.0.0.1 ${first.port} ${QUORUM}`,
          `sentinel down-after-milliseconds ${name} ${DOWN_AFTER_MS}`,
          `sentinel failover-timeout ${name} ${FAILOVER_TIMEOUT_MS}`,
          '',
        ].join('\n'),
      );
      sentinels.push(await startRedis({ configFile, args: ['--sentinel'], ready: /\+monitor master/ }));
    }
    await Promise.all(sentinels.map((sentinel) => complete(sentinel, name, replicas)));
  } catch (error) {
    await stop();
    throw error;
  }

  const master = async () => {
    const [sentinel] = sentinels as [TestRedis];
    const redis = sentinel.connect();
    try {
      const address = (await redis.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', name)) as [string, string];
      const found = nodes.find((node) => node.port === Number(address[1]));
      if (!found) throw new Error(`the sentinels call ${address.join(':')} master, which is none of the nodes`);
      return found;
    } finally {
      redis.disconnect();
    }
  };
  return {
    name,
    sentinels: sentinels.map(({ host, port }) => ({ host, port })),
    sentinelUrls: sentinels.map(({ url }) => url).join(','),
    nodes,
    master,
    failedOver: (former) =>
      eventually(
        'failover',
        async () => {
          const now = await master();
          if (now === former) return undefined;
          const redis = new Redis(now.url, { retryStrategy: () => null });
          redis.on('error', () => undefined);
          try {
            return (await redis.role())[0] === 'master' ? now : undefined;
          } finally {
            redis.disconnect();
          }
        },
        { deadlineMs: FAILOVER_DEADLINE_MS },
      ),
    stop,
  };
}

/** A sentinel that does not know the others yet starts no failover. */
async function complete(sentinel: TestRedis, name: string, replicas: number): Promise<void> {
  const redis = sentinel.connect();
  await eventually(
    'complete set of sentinels',
    async () => {
      const answer = await redis.call('SENTINEL', 'MASTER', name);
      const state = Array.isArray(answer) ? pairs(answer as string[]) : (answer as Record<string, string>);
      const others = Number(state['num-other-sentinels']);
      return others === SENTINELS - 1 && Number(state['num-slaves']) === replicas;
    },
    { deadlineMs: 30_000 },
  );
  redis.disconnect();
}

/** RESP2 has no maps: names and values take turns. */
function pairs(list: readonly string[]): Record<string, string> {
  const result: Record<string, string> = {};
  for (let i = 0; i + 1 < list.length; i += 2) result[list[i] as string] = list[i + 1] as string;
  return result;
}
