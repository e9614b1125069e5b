/**
 * Centrifugo as it is shipped, with its Redis engine, set up by its environment. History, recovery and buffers are those
 * of the server beside it that is made of its library; what its defaults limit is raised as far as the workloads need it.
 */
import { existsSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { eventually, freePort, spawnOwned, stopProcess, TEST_SECRET } from '@belfry/testkit';
import { eventBody } from '../load/event.js';
import { channelName } from '../load/plan.js';
import type { Contender } from './contender.js';
import { buildWithGo } from './go.js';
import { openHttpPublisher } from './http-publisher.js';
import { CENTRIFUGO_VERSION } from './names.js';

const FOLDER = fileURLToPath(new URL('../../src/peers/centrifugo/', import.meta.url));
const BINARY = fileURLToPath(new URL(`../centrifugo-${CENTRIFUGO_VERSION}`, import.meta.url));
const PACKAGE = 'github.com/centrifugal/centrifugo/v5';

const API_KEY = 'bench';

/** What is before the colon of every channel's name is its namespace. */
const NAMESPACES = [
  {
    name: 'property',
    allow_subscribe_for_client: true,
    history_size: 128,
    history_ttl: '1h',
    force_positioning: true,
    force_recovery: true,
  },
];

/** Builds it, the first time some minutes long, or finds it built. Undefined, or why it cannot be had. */
export async function buildCentrifugo(): Promise<string | undefined> {
  if (existsSync(BINARY)) return undefined;
  const partial = `${BINARY}.part`;
  const why = await buildWithGo({ folder: FOLDER, what: PACKAGE, to: partial });
  if (why === undefined) renameSync(partial, BINARY);
  return why;
}

const settings = (port: number, redis: string): Record<string, string> => ({
  CENTRIFUGO_ADDRESS: '127.0.0.1',
  CENTRIFUGO_PORT: String(port),
  CENTRIFUGO_ENGINE: 'redis',
  CENTRIFUGO_REDIS_ADDRESS: redis,
  CENTRIFUGO_TOKEN_HMAC_SECRET_KEY: TEST_SECRET,
  CENTRIFUGO_TOKEN_USER_ID_CLAIM: 'user_id',
  CENTRIFUGO_NAMESPACES: JSON.stringify(NAMESPACES),
  CENTRIFUGO_CLIENT_CHANNEL_LIMIT: '2000',
  CENTRIFUGO_WEBSOCKET_READ_BUFFER_SIZE: '1024',
  CENTRIFUGO_WEBSOCKET_USE_WRITE_BUFFER_POOL: 'true',
  // A ping would hide among the events of a frame, which the bench's clients count and do not read.
  CENTRIFUGO_PING_INTERVAL: '1h',
  CENTRIFUGO_API_KEY: API_KEY,
  // Otherwise what failed is answered with 200, too.
  CENTRIFUGO_API_ERROR_MODE: 'transport',
  CENTRIFUGO_HEALTH: 'true',
  CENTRIFUGO_LOG_LEVEL: 'error',
  CENTRIFUGO_USAGE_STATS_DISABLE: 'true',
});

export const centrifugo: Contender = {
  name: 'centrifugo',
  recovers: true,
  async start(redis) {
    const port = await freePort();
    const child = spawnOwned(BINARY, [], {
      env: settings(port, `redis://${redis.host}:${redis.port}`),
      // Results are written to stdout: what it has to say goes beside them.
      stdio: ['ignore', 2, 2],
    });
    const ended = new Promise<never>((_resolve, reject) => {
      child.once('error', reject);
      child.once('exit', () => reject(new Error('centrifugo ended')));
    });
    const healthy = eventually('centrifugo', async () => (await fetch(`http://127.0.0.1:${port}/health`)).ok);
    await Promise.race([healthy, ended]);
    return { pid: child.pid ?? 0, port, stop: () => stopProcess(child) };
  },
  openPublisher: (_redis, { port }) =>
    openHttpPublisher(port, (channel) => ({
      path: '/api/publish',
      headers: { 'content-type': 'application/json', 'x-api-key': API_KEY },
      body: `{"channel":"${channelName(channel)}","data":${eventBody(channel)}}`,
    })),
};
