/** Where Redis is said to be; and a network that swallows everything without a word. */
import { once } from 'node:events';
import { type AddressInfo, connect as connectSocket, createServer, type Server } from 'node:net';
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readSettings } from '../service/index.js';
import { connect, parseRedisUrl, redisSettings } from './connection.js';

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
    commandTimeoutMs: 500,
    onError: () => undefined,
  });
  try {
    await eventually('answer', async () => (await connection.ping()) === 'PONG');
    halfOpenBelow = connections;
    await expect(connection.ping()).rejects.toThrow();
    await eventually('answer on a new connection', async () => (await connection.ping()) === 'PONG');
    expect(connections).toBeGreaterThan(halfOpenBelow);
  } finally {
    connection.disconnect();
  }
});

it('comes back also when it was interrupted while it looked for the master, where ioredis gives up for ever', async () => {
  const connection = connect({ url: redis.url, name: 'interrupted', onError: () => undefined });
  try {
    await connection.ping();
    let ends = 0;
    connection.on('end', () => {
      ends += 1;
    });
    // What ioredis' detector of failovers does, at the moment at which it does harm.
    const { connector } = connection as unknown as { connector: { disconnect(): void } };
    connection.once('connecting', () => connector.disconnect());
    connection.disconnect(true);
    await eventually('end of the connection', () => ends === 1);
    await eventually('answer', async () => (await connection.ping()) === 'PONG');
    expect(ends).toBe(1);
  } finally {
    connection.disconnect();
  }
});

it('ends when its owner says so', async () => {
  const connection = connect({ url: redis.url, name: 'ended', onError: () => undefined });
  await connection.ping();
  const ended = once(connection, 'end');
  connection.disconnect();
  await ended;
  await expect(connection.ping()).rejects.toThrow();
  // Longer than a connection needs to be revived: there is no event for what must not happen.
  await new Promise((resolve) => setTimeout(resolve, 400));
  expect(connection.status).toBe('end');
});

describe('REDIS_URL', () => {
  it.each([
    ['redis://127.0.0.1:6379/2', 'standalone', 1],
    ['rediss://user:pass%2Cword@redis.example', 'standalone', 1],
    ['rediss://user:a,b@redis.example/', 'standalone', 1],
    ['redis+sentinel://a:26379,b:26379,c:26379/belfry', 'sentinel', 3],
    ['redis+cluster://user:secret@a:7000,b:7001', 'cluster', 2],
    ['redis+cluster://[::1]:7000,[::1]:7001', 'cluster', 2],
  ])('may be %s', (given, kind, hosts) => {
    const { REDIS_URL } = readSettings(redisSettings, { REDIS_URL: given });
    const address = parseRedisUrl(REDIS_URL);
    expect(address.kind).toBe(kind);
    expect(address.nodes).toHaveLength(hosts);
  });

  it.each([
    ['http://a:1'],
    ['a:6379,b:6379'],
    ['redis://a:port'],
    ['redis+sentinel://a:26379,b:port/belfry'],
    ['redis://a:1/x'],
    ['redis://a:1,b:1'],
    ['redis://a:1,redis://b:1'],
  ])('is refused as %s, in a line that names it and keeps its value to itself', (given) => {
    expect(() => readSettings(redisSettings, { REDIS_URL: given })).toThrow(/^REDIS_URL must be redis:/);
  });
});
