/**
 * Centrifuge, the library that Centrifugo is made of, with its Redis engine: a server of forty lines, in Go. Published to
 * through an HTTP call of its own, because publishing with history is the library's work.
 */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { spawnOwned, stopProcess, TEST_SECRET } from '@belfry/testkit';
import { eventBody } from '../load/event.js';
import { channelName } from '../load/plan.js';
import type { Contender } from './contender.js';
import { buildWithGo } from './go.js';
import { openHttpPublisher } from './http-publisher.js';

const FOLDER = fileURLToPath(new URL('../../src/peers/centrifuge/', import.meta.url));
const BINARY = fileURLToPath(new URL('../centrifuge-server', import.meta.url));

/** Builds the server, or finds it built. Undefined where that went well, otherwise why it cannot be had. */
export const buildCentrifuge = (): Promise<string | undefined> =>
  buildWithGo({ folder: FOLDER, what: '.', to: BINARY });

export const centrifuge: Contender = {
  name: 'centrifuge',
  recovers: true,
  async start(redis) {
    const child = spawnOwned(BINARY, [], {
      env: { REDIS_ADDRESS: `${redis.host}:${redis.port}`, JWT_SECRET: TEST_SECRET },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    if (!child.stdout) throw new Error('no output to read');
    const lines = createInterface({ input: child.stdout });
    const port = await new Promise<number>((resolve, reject) => {
      lines.once('line', (line) => resolve(Number(line)));
      child.once('error', reject);
      child.once('exit', () => reject(new Error('centrifuge ended')));
    });
    return { pid: child.pid ?? 0, port, stop: () => stopProcess(child) };
  },
  openPublisher: (_redis, { port }) =>
    openHttpPublisher(port, (channel) => ({
      path: `/publish?channel=${channelName(channel)}`,
      body: eventBody(channel),
    })),
};
