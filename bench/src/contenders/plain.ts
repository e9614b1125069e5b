/** Servers that pass on what a Redis channel of the same name brings: no history, no positions. */
import { fileURLToPath } from 'node:url';
import { channelKeys, DEFAULT_KEY_PREFIX } from '@belfry/shared/log';
import { serviceCommand, startProcess, TEST_SECRET, type TestRedis } from '@belfry/testkit';
import { eventBody } from '../load/event.js';
import { channelName } from '../load/plan.js';
import { openLogPublisher } from './belfry.js';
import type { Contender, RunningServer } from './contender.js';
import { RETENTION } from './retention.js';

/** Node is given the same options for all of them, which are the gateway's: what these bring is no server's doing. */
export const startPeer = (
  script: string,
  redis: TestRedis,
  env: Readonly<Record<string, string>> = {},
): Promise<RunningServer> =>
  startProcess(
    fileURLToPath(new URL(`../peers/${script}`, import.meta.url)),
    { REDIS_URL: redis.url, JWT_SECRET: TEST_SECRET, ...env },
    serviceCommand('gateway').options,
  );

const plain = (name: 'bare' | 'ws'): Contender => ({
  name,
  recovers: false,
  start: (redis) => startPeer(`${name}.js`, redis),
  async openPublisher(redis) {
    const connection = redis.connect();
    return {
      publish: (channel) => connection.publish(channelName(channel), eventBody(channel)),
      async close() {
        connection.disconnect();
      },
    };
  },
});

export const bare = plain('bare');
export const ws = plain('ws');

/**
 * The bare server, and of a log the least there could be: a script adds the event to a stream and publishes it with the
 * position that it got there, both or neither. What lies between it and `bare` no history in Redis can be without.
 */
export const bareHistory: Contender = {
  ...bare,
  name: 'bare-history',
  async openPublisher(redis) {
    const connection = redis.connect();
    const script = (await connection.script('LOAD', ADD_AND_PUBLISH)) as string;
    return {
      publish(channel) {
        const name = channelName(channel);
        return connection.evalsha(script, 2, `history:${name}`, name, RETENTION.maxEvents, eventBody(channel));
      },
      async close() {
        connection.disconnect();
      },
    };
  },
};
const ADD_AND_PUBLISH = `
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'd', ARGV[2])
redis.call('PUBLISH', KEYS[2], '{"id":"' .. id .. '",' .. string.sub(ARGV[2], 2))
return id`;

/**
 * Belfry without its gateway: the bare server passes on what the log publishes. What lies between it and `bare` is the
 * log's doing, in Redis and at the publisher; what lies between it and Belfry is the gateway's.
 */
export const bareLog: Contender = {
  name: 'bare-log',
  recovers: false,
  start: (redis) => startPeer('bare.js', redis, { LOG_TOPIC: channelKeys(DEFAULT_KEY_PREFIX, '*').topic }),
  openPublisher: openLogPublisher,
};

/**
 * The bare server, and of Belfry no more than this: whoever authenticates has a channel of its own, which Redis confirms and
 * tells the position of.
 */
export const bareOwn: Contender = {
  ...bare,
  name: 'bare-own',
  start: (redis) => startPeer('bare.js', redis, { OWN_CHANNELS: 'yes' }),
};
