import { setTimeout as sleep } from 'node:timers/promises';
import { REPLICATION_ARGS, replicaInSync, startRedis, type TestRedis } from '@belfry/testkit';
import { CONFORMANCE_RETENTION, describeLog, type LogUnderTest } from './conformance.test-support.js';
import { connect } from './connection.js';
import { readGenerations } from './generations.js';
import { channelKeys, channelOfTopic } from './keys.js';
import { createRedisLog } from './redis-log.js';

const PREFIX = 'belfry';

async function start(): Promise<LogUnderTest> {
  const nodes: TestRedis[] = [await startRedis({ appendFsync: 'always', args: REPLICATION_ARGS })];
  const frames: { channel: string; frame: string }[] = [];
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
      while (frames.length < count) await sleep(5);
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
    },
    async forget(channel, key) {
      await current.connection.del(channelKeys(PREFIX, channel)[key]);
    },
    outlive: (part = 1) => sleep(1_050 * part),
    async close() {
      current.connection.disconnect();
      await Promise.all(nodes.map((node) => node.stop()));
    },
  };
}

describeLog('the log in Redis', start);
