import { EventEmitter, once } from 'node:events';
import { REPLICATION_ARGS, replicaInSync, startRedis, type TestRedis } from '@belfry/testkit';
import { CONFORMANCE_RETENTION, describeLog, type LogUnderTest, OUTLIVED_MS } from './conformance.test-support.js';
import { connect } from './connection.js';
import { readGenerations } from './generations.js';
import { channelKeys, channelOfTopic } from './keys.js';
import { createRedisLog } from './redis-log.js';

const PREFIX = 'belfry';

/** Redis reads the time off its machine, so it is what expires that moves towards now. */
async function age(redis: TestRedis, ms: number): Promise<void> {
  const connection = redis.connect();
  for (const key of await connection.keys('*')) {
    const left = await connection.pttl(key);
    if (left >= 0) await connection.pexpire(key, Math.max(0, left - ms));
  }
  await nextMillisecond(redis);
}

/** Epochs are milliseconds: what begins after a loss must not begin in the one in which what was lost did. */
async function nextMillisecond(redis: TestRedis): Promise<void> {
  const connection = redis.connect();
  const now = async () => (await connection.time()).map(Number).reduce((s, us) => s * 1_000 + Math.floor(us / 1_000));
  const began = await now();
  while ((await now()) === began);
}

async function start(): Promise<LogUnderTest> {
  const nodes: TestRedis[] = [await startRedis({ appendFsync: 'always', args: REPLICATION_ARGS })];
  const frames: { channel: string; frame: string }[] = [];
  const arrivals = new EventEmitter();
  const open = (redis: TestRedis) => {
    const connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
    const log = createRedisLog({ connection, prefix: PREFIX, retention: CONFORMANCE_RETENTION });
    return { redis, connection, log };
  };
  let current = open(nodes[0] as TestRedis);
  const listen = async () => {
    const subscriber = current.redis.connect();
    subscriber.on('smessage', (topic: string, frame: string) => {
      frames.push({ channel: channelOfTopic(PREFIX, topic) ?? topic, frame });
      arrivals.emit('frame');
    });
    await subscriber.ssubscribe(
      ...['property:1012650001', 'user:7', 'global'].map((c) => channelKeys(PREFIX, c).topic),
    );
  };
  await listen();
  return {
    get log() {
      return current.log;
    },
    async published(count) {
      while (frames.length < count) await once(arrivals, 'frame');
      return frames;
    },
    generations: () => readGenerations(current.connection),
    restart: () => current.redis.restart({ keepData: true }),
    async failover(write) {
      const replica = await startRedis({
        args: ['--replicaof', `127.0.0.1 ${current.redis.port}`, ...REPLICATION_ARGS],
      });
      nodes.push(replica);
      await replicaInSync(replica);
      await replica.connect().replicaof('NO', 'ONE');
      await write();
      current.connection.disconnect();
      current = open(replica);
    },
    async flush() {
      await current.connection.flushall();
      await nextMillisecond(current.redis);
    },
    async forget(channel, key) {
      await current.connection.del(channelKeys(PREFIX, channel)[key]);
    },
    outlive: (part = 1) => age(current.redis, OUTLIVED_MS * part),
    async close() {
      current.connection.disconnect();
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

describeLog('the log in Redis', start);
