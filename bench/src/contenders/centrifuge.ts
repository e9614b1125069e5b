/**
 * Centrifuge, the library that Centrifugo is made of, with its Redis engine: a server of forty lines, in Go. Published to
 * through an HTTP call of its own, because publishing with history is the library's work.
 */
import { execFile } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { spawnOwned, stopProcess, TEST_SECRET } from '@belfry/testkit';
import { eventBody } from '../load/event.js';
import { channelName } from '../load/plan.js';
import type { Contender } from './contender.js';

const FOLDER = fileURLToPath(new URL('../../src/peers/centrifuge/', import.meta.url));
const BINARY = fileURLToPath(new URL('../centrifuge-server', import.meta.url));

/** Builds the server, or finds it built. Undefined where that went well, otherwise why it cannot be had. */
export async function buildCentrifuge(): Promise<string | undefined> {
  try {
    await promisify(execFile)('go', ['build', '-o', BINARY, '.'], { cwd: FOLDER });
    return undefined;
  } catch (error) {
    return `it cannot be built here: ${(error as Error).message.split('\n').slice(0, 2).join(' ')}`;
  }
}

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
  async openPublisher(_redis, server) {
    const { Agent, request } = await import('node:http');
    const agent = new Agent({ keepAlive: true, maxSockets: 64 });
    return {
      publish: (channel) =>
        new Promise<void>((resolve, reject) => {
          const path = `/publish?channel=${channelName(channel)}`;
          const call = request({ agent, port: server.port, method: 'POST', path }, (response) => {
            response.resume();
            response.once('end', () =>
              response.statusCode === 200 ? resolve() : reject(new Error(`publish answered ${response.statusCode}`)),
            );
          });
          call.once('error', reject);
          call.end(eventBody(channel));
        }),
      async close() {
        agent.destroy();
      },
    };
  },
};
