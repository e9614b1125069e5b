/** The connection for commands gets over a network that swallows everything without a word. */
import { once } from 'node:events';
import { type AddressInfo, connect as connectSocket, createServer, type Server } from 'node:net';
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect } from './connection.js';

let redis: TestRedis;
let proxy: Server;
/** Connections made before this number of them carry nothing any more, and stay open. */
let halfOpenBelow = 0;
let connections = 0;

beforeAll(async () => {
  redis = await startRedis();
  proxy = createServer((client) => {
    const number = connections;
    connections += 1;
    const server = connectSocket(redis.port, redis.host);
    const isOpen = () => number >= halfOpenBelow;
    client.on('data', (chunk) => isOpen() && server.write(chunk));
    server.on('data', (chunk) => isOpen() && client.write(chunk));
    for (const socket of [client, server]) socket.on('error', () => undefined);
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  });
  proxy.listen(0, '127.0.0.1');
  await once(proxy, 'listening');
});
afterAll(async () => {
  proxy?.close();
  await redis?.stop();
});

it('gives up a half-open connection, on which nothing is answered any more, and comes back on a new one', async () => {
  const { port } = proxy.address() as AddressInfo;
  const connection = connect({
    url: `redis://127.0.0.1:${port}`,
    name: 'half-open',
    commandTimeoutMs: 300,
    onError: () => undefined,
  });
  try {
    expect(await connection.ping()).toBe('PONG');
    halfOpenBelow = connections;
    await expect(connection.ping()).rejects.toThrow();
    await eventually('answer on a new connection', async () => (await connection.ping()) === 'PONG');
    expect(connections).toBeGreaterThan(halfOpenBelow);
  } finally {
    connection.disconnect();
  }
});
