/** What gateways answered to a command, counted once each; and nobody is said to have acted of whom nothing is known. */
import { clusterKeys, connect } from '@belfry/shared/log';
import { createLogger, systemClock } from '@belfry/shared/service';
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCommands } from './commands.js';
import type { NodeInfo } from './nodes.js';

const keys = clusterKeys('belfry');
let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

function open(alive: readonly string[], announce: () => Promise<void> = async () => undefined) {
  const connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
  const commands = createCommands({
    node: 'a',
    instance: 'this',
    connection,
    keys,
    nodes: { list: async () => alive.map((node) => ({ node }) as NodeInfo), announce },
    handlers: { count: () => 1 },
    // Who answers does so before the deadline, however busy the machine is.
    clock: { ...systemClock, now: () => 0 },
    logger: createLogger('test', 'silent'),
  });
  return { commands, close: () => connection.disconnect() };
}

it('an answer that was written twice, since its own was lost, counts once', async () => {
  const { close, commands } = open(['a', 'b']);
  const subscriber = redis.connect();
  const answering = redis.connect();
  subscriber.on('smessage', (_topic: string, text: string) => {
    const reply = JSON.stringify({ node: 'b', result: 1 });
    void answering.rpush(keys.replies(JSON.parse(text).id), reply, reply);
  });
  await subscriber.ssubscribe(keys.topic);
  try {
    const { missing, replies } = await commands.run('count');
    expect(replies.map(({ node }) => node)).toEqual(['a', 'b']);
    expect(missing).toEqual([]);
  } finally {
    close();
  }
});

it.each([
  { what: 'a gateway that has been forgotten itself', alive: [] },
  { what: 'a gateway that is the last one that is remembered', alive: ['a'] },
])('$what does not answer for the others while Redis takes nothing', async ({ alive }) => {
  const { close, commands } = open(alive, async () => {
    throw new Error('OOM');
  });
  try {
    await expect(commands.run('count')).rejects.toMatchObject({ status: 503 });
  } finally {
    close();
  }
});

it('a gateway that is alone answers for itself', async () => {
  const { close, commands } = open(['a']);
  try {
    expect(await commands.run('count')).toEqual({ replies: [{ node: 'a', result: 1 }], missing: [] });
  } finally {
    close();
  }
});
