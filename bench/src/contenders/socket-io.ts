/** Socket.IO with either of its Redis adapters; published to as its documentation says, from another process. */
import { setTimeout as sleep } from 'node:timers/promises';
import { Emitter } from '@socket.io/redis-emitter';
import { createAdapter } from '@socket.io/redis-streams-adapter';
import { Server } from 'socket.io';
import { eventBody } from '../load/event.js';
import { channelName } from '../load/plan.js';
import type { Contender } from './contender.js';
import { startPeer } from './plain.js';

export const socketIo: Contender = {
  name: 'socket.io',
  recovers: false,
  start: (redis) => startPeer('socket-io.js', redis, { ADAPTER: 'pubsub' }),
  async openPublisher(redis) {
    const connection = redis.connect();
    const emitter = new Emitter(connection);
    return {
      async publish(channel) {
        emitter.to(channelName(channel)).emit('event', JSON.parse(eventBody(channel)));
      },
      async close() {
        connection.disconnect();
      },
    };
  },
};

/** The adapter looks no more often whether it is to end. */
const READING_MS = 100;

/** There is no emitter for streams: another server, without clients, publishes. */
export const socketIoStreams: Contender = {
  name: 'socket.io-streams',
  recovers: true,
  start: (redis) => startPeer('socket-io.js', redis, { ADAPTER: 'streams' }),
  async openPublisher(redis) {
    const connection = redis.connect();
    const server = new Server({ adapter: createAdapter(connection, { blockTimeInMs: READING_MS }) });
    return {
      async publish(channel) {
        server.to(channelName(channel)).emit('event', JSON.parse(eventBody(channel)));
      },
      async close() {
        // What still reads on a closed connection would try again for ever, without a pause.
        server.of('/').adapter.close();
        await sleep(3 * READING_MS);
        connection.disconnect();
      },
    };
  },
};
