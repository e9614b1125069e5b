/** The Redis of a run, in whichever topology: what can be done to it, and what it then may have lost. */
import { cp, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startCluster, startRedis, startSentinel, type TestRedis } from '@belfry/testkit';
import type { Redis } from 'ioredis';

export type RedisKind = 'standalone' | 'sentinel' | 'cluster';

export interface RedisUnderTest {
  readonly kind: RedisKind;
  /** As the settings of a gateway want it, with no proxy in between. */
  readonly url: string;
  /** The port to put a proxy before; undefined where nodes tell each other's addresses. */
  readonly port: number | undefined;
  readonly nodes: readonly TestRedis[];
  /** Runs a command on every node that is a master. */
  onMasters(run: (redis: Redis) => Promise<unknown>): Promise<void>;
  /** A master's process, for freezing it. */
  master(): Promise<TestRedis>;
  /** kill -9 of a master; with replicas, one of them takes over. Resolves when a master serves again. */
  crash(downMs: number): Promise<void>;
  /** Everything is lost. */
  lose(downMs: number): Promise<void>;
  /** Where there is one Redis: it comes back with the data of `agoMs` before, as from a backup. */
  readonly setBack?: (agoMs: number) => Promise<void>;
  stop(): Promise<void>;
}

/** Flushed before every answer: a killed process may not have lost anything that it answered. */
const DURABLE = { appendFsync: 'always' } as const;
/** A key in the slot of some master; failovers take turns by their number. */
const slotKeys = ['belfry:intake', 'belfry:{global}', 'belfry:{property:1000000001}'];

async function onEach(nodes: readonly TestRedis[], run: (redis: Redis) => Promise<unknown>): Promise<void> {
  for (const node of nodes) {
    const redis = node.connect({ connectTimeout: 1_000, commandTimeout: 2_000 });
    try {
      const [role] = await redis.role();
      if (role === 'master') await run(redis);
    } finally {
      redis.disconnect();
    }
  }
}

export async function startRedisUnderTest(kind: RedisKind): Promise<RedisUnderTest> {
  switch (kind) {
    case 'standalone':
      return standalone();
    case 'sentinel':
      return sentinel();
    case 'cluster':
      return cluster();
  }
}

async function standalone(): Promise<RedisUnderTest> {
  const redis = await startRedis(DURABLE);
  return {
    kind: 'standalone',
    url: redis.url,
    port: redis.port,
    nodes: [redis],
    onMasters: (run) => onEach([redis], run),
    master: async () => redis,
    async crash(downMs) {
      await redis.kill();
      await sleep(downMs);
      await redis.start();
    },
    async lose() {
      await redis.restart({ keepData: false });
    },
    async setBack(agoMs) {
      const [, folder] = (await redis.connect().config('GET', 'dir')) as [string, string];
      const data = join(folder, 'appendonlydir');
      const copy = join(folder, 'copy');
      // Of a file that is only ever appended to, and whose last entry may be torn.
      await cp(data, copy, { recursive: true });
      await sleep(agoMs);
      await redis.kill();
      await rm(data, { recursive: true });
      await rename(copy, data);
      await redis.start();
    },
    stop: () => redis.stop(),
  };
}

async function sentinel(): Promise<RedisUnderTest> {
  const set = await startSentinel();
  const hosts = set.sentinels.map(({ host, port }) => `${host}:${port}`).join();
  return {
    kind: 'sentinel',
    url: `redis+sentinel://${hosts}/${set.name}`,
    port: undefined,
    nodes: set.nodes,
    onMasters: async (run) => onEach([await set.master()], run),
    master: set.master,
    async crash(downMs) {
      const former = await set.master();
      await former.kill();
      await set.failedOver(former);
      await sleep(downMs);
      await former.start();
    },
    async lose() {
      await onEach([await set.master()], (redis) => redis.flushall());
    },
    stop: set.stop,
  };
}

async function cluster(): Promise<RedisUnderTest> {
  const set = await startCluster();
  let turn = 0;
  const nextKey = (): string => {
    turn += 1;
    return slotKeys[turn % slotKeys.length] as string;
  };
  return {
    kind: 'cluster',
    url: `redis+cluster://${set.nodes.map(({ host, port }) => `${host}:${port}`).join()}`,
    port: undefined,
    nodes: set.nodes,
    onMasters: (run) => onEach(set.nodes, run),
    master: () => set.masterOf(nextKey()),
    async crash(downMs) {
      const key = nextKey();
      const former = await set.masterOf(key);
      await former.kill();
      await set.failedOver(key, former);
      await sleep(downMs);
      await former.start();
    },
    async lose() {
      await onEach(set.nodes, (redis) => redis.flushall());
    },
    stop: set.stop,
  };
}
