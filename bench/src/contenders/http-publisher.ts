/** Publishes by HTTP calls to the server that is measured, over connections that stay open. */
import { Agent, request } from 'node:http';
import type { Publisher } from './contender.js';

interface PublishCall {
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

const CONNECTIONS = 64;

/** @param callOf what to send for an event on a channel; any answer but 200 is an error */
export async function openHttpPublisher(port: number, callOf: (channel: number) => PublishCall): Promise<Publisher> {
  const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  return {
    publish: (channel) =>
      new Promise<void>((resolve, reject) => {
        const { path, headers = {}, body } = callOf(channel);
        const call = request({ agent, port, method: 'POST', path, headers }, (response) => {
          response.resume();
          response.once('end', () =>
            response.statusCode === 200 ? resolve() : reject(new Error(`publish answered ${response.statusCode}`)),
          );
        });
        call.once('error', reject);
        call.end(body);
      }),
    async close() {
      agent.destroy();
    },
  };
}
