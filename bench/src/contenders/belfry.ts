/** A gateway as it is shipped, and events appended to the log as the publisher does. */
import { connect, createRedisLog, DEFAULT_KEY_PREFIX, readGenerations } from '@belfry/shared/log';
import { startGateway, type TestRedis } from '@belfry/testkit';
import { eventBody } from '../load/event.js';
import { channelName } from '../load/plan.js';
import type { Contender, Publisher } from './contender.js';
import { RETENTION } from './retention.js';

/** Limits that a load of many connections from one address would run into; everything else is as by default. */
const LIMITS = { MAX_CONNECTIONS: '200000', MAX_CONNECTIONS_PER_IP: '200000', MAX_CONNECTIONS_PER_USER: '100000' };

export const belfry: Contender = {
  name: 'belfry',
  recovers: true,
  start: (redis) => startGateway({ REDIS_URL: redis.url, LOG_LEVEL: 'info', ...LIMITS }),
  openPublisher: openLogPublisher,
};

export async function openLogPublisher(redis: TestRedis): Promise<Publisher> {
  const connection = connect({
    url: redis.url,
    name: 'bench',
    onError: (error) => {
      throw error;
    },
  });
  const log = createRedisLog({ connection, prefix: DEFAULT_KEY_PREFIX, retention: RETENTION });
  const generations = await readGenerations(connection);
  let serial = 0;
  return {
    async publish(channel) {
      serial += 1;
      const { status } = await log.append({
        channel: channelName(channel),
        lane: 0,
        generations,
        entries: [{ intakeId: `1-${serial}`, events: [{ key: 'violations:HPD', body: eventBody(channel) }] }],
      });
      if (status !== 'ok') throw new Error(`append answered ${status}`);
    },
    async close() {
      connection.disconnect();
    },
  };
}
