import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { afterEach, describe, expect, it } from 'vitest';
import { eventually } from './deadline.js';
import { readInfo, startRedis, type TestRedis } from './redis.js';
import { startCluster } from './redis-cluster.js';
import { startSentinel } from './redis-sentinel.js';

const started: { stop(): Promise<void> }[] = [];
const keep = <T extends { stop(): Promise<void> }>(part: T): T => {
  started.push(part);
  return part;
};
afterEach(async () => {
  await Promise.all(started.splice(0).map((part) => part.stop()));
});

const get = async (redis: TestRedis, key: string) => {
  const connection = redis.connect();
  const value = await connection.get(key);
  connection.disconnect();
  return value;
};
const replid = async (redis: TestRedis) => readInfo(await redis.connect().info('replication')).get('master_replid');

describe('a private Redis', () => {
  it('has its data, and another replication id, after a restart that keeps data', async () => {
    const redis = keep(await startRedis());
    await redis.connect().set('a', '1');
    const before = await replid(redis);
    await redis.restart({ keepData: true });
    expect(await get(redis, 'a')).toBe('1');
    expect(await replid(redis)).not.toBe(before);
  });

  it('is empty after a restart that drops data', async () => {
    const redis = keep(await startRedis({ appendFsync: 'always' }));
    await redis.connect().set('a', '1');
    await redis.restart({ keepData: false });
    expect(await get(redis, 'a')).toBeNull();
  });

  it('finds in its append-only file what was written before kill -9', async () => {
    const redis = keep(await startRedis({ appendFsync: 'always' }));
    await redis.connect().set('a', '1');
    await redis.kill();
    await redis.start();
    expect(await get(redis, 'a')).toBe('1');
  });

  it('answers nothing while frozen, and goes on where it was', async () => {
    const redis = keep(await startRedis());
    const connection = redis.connect();
    await connection.set('a', '1');
    redis.freeze();
    let answered = false;
    const answer = connection.get('a').then((value) => {
      answered = true;
      return value;
    });
    // Its state in the process table says so; waiting for silence would prove nothing.
    await eventually('stopped process', () => isStopped(redis.pid()));
    expect(answered).toBe(false);
    redis.thaw();
    expect(await answer).toBe('1');
  });

  it('leaves no process when it is stopped while frozen', async () => {
    const redis = await startRedis();
    const pid = redis.pid();
    redis.freeze();
    await redis.stop();
    expect(isAlive(pid)).toBe(false);
  });
});

describe('a Sentinel set', () => {
  it('makes the replica master when the master is killed', async () => {
    const set = keep(await startSentinel());
    const former = await set.master();
    await former.kill();
    const now = await set.failedOver(former);
    expect(now).toBe(set.nodes.find((node) => node !== former));
  });
});

describe('a Cluster', () => {
  it('serves every slot, and goes on with the replica of a killed master', async () => {
    const cluster = keep(await startCluster());
    const connection = cluster.connect();
    for (let i = 0; i < 50; i++) await connection.set(`key-${i}`, `${i}`);
    const former = await cluster.masterOf('key-7');
    await former.kill();
    const now = await cluster.failedOver('key-7', former);
    expect(now).not.toBe(former);
    expect(await eventually('answer', () => connection.get('key-7').then((value) => value ?? undefined))).toBe('7');
  });
});

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

/** Its state in the process table: `T`. */
function isStopped(pid: number): boolean {
  if (!existsSync('/proc/self/stat'))
    return execFileSync('ps', ['-o', 'state=', '-p', `${pid}`], { encoding: 'utf8' }).startsWith('T');
  return / T /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}
