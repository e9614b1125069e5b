/** What must not happen twice: sent to a Cluster, whose answer is lost on the way. */
import { once } from 'node:events';
import { type AddressInfo, connect as connectSocket, createServer, type Server } from 'node:net';
import { eventually, freePort, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Connection, connect } from './connection.js';

const nodes: TestRedis[] = [];
let proxy: Server;
/** Whether the next connection that brings an id of a stream is cut instead. */
let cutting = false;

/** Two masters: one with nearly every slot, which says it is to be found behind the proxy, and another. */
beforeAll(async () => {
  const far = { port: 0 };
  proxy = createServer((client) => {
    const server = connectSocket(far.port, '127.0.0.1');
    client.pipe(server);
    server.on('data', (chunk) => {
      if (cutting && /\d{13}-\d/.test(chunk.toString())) {
        cutting = false;
        client.destroy();
      } else client.write(chunk);
    });
    for (const socket of [client, server]) socket.on('error', () => undefined);
    client.on('close', () => server.destroy());
    server.on('close', () => client.destroy());
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  const announced = ['--cluster-announce-ip', '127.0.0.1', '--cluster-announce-port', `${proxyPort()}`];
  const busPorts = [await freePort(), await freePort()] as const;
  for (const [n, busPort] of busPorts.entries()) {
    const args = ['--cluster-enabled', 'yes', '--cluster-port', `${busPort}`, ...(n === 0 ? announced : [])];
    nodes.push(await startRedis({ args }));
  }
  far.port = (nodes[0] as TestRedis).port;
  const [first, second] = nodes.map((node) => node.connect());
  await first?.call('CLUSTER', 'ADDSLOTSRANGE', 1, 16_383);
  await second?.call('CLUSTER', 'ADDSLOTSRANGE', 0, 0);
  await second?.call('CLUSTER', 'SET-CONFIG-EPOCH', 2);
  await second?.call('CLUSTER', 'MEET', '127.0.0.1', far.port, busPorts[0]);
  for (const node of [first, second]) {
    await eventually('whole cluster', async () => String(await node?.cluster('INFO')).includes('known_nodes:2'));
    await eventually('whole cluster', async () => String(await node?.cluster('INFO')).includes('state:ok'));
  }
});
afterAll(async () => {
  proxy?.close();
  await Promise.all(nodes.map((node) => node.stop()));
});

const proxyPort = (): number => (proxy.address() as AddressInfo).port;

it.each([
  ['a command', (connection: Connection) => connection.xadd('stream', '*', 'n', '1')],
  [
    'a script',
    (connection: Connection) => {
      connection.defineCommand('addOne', { lua: "return redis.call('XADD', KEYS[1], '*', 'n', '1')", numberOfKeys: 1 });
      return (connection as Connection & { addOne(key: string): Promise<string> }).addOne('stream');
    },
  ],
  [
    'a pipeline',
    async (connection: Connection) => {
      const replies = await connection.pipeline().xadd('stream', '*', 'n', '1').xadd('stream', '*', 'n', '2').exec();
      for (const [error] of replies ?? []) if (error) throw error;
    },
  ],
])('does not send %s again whose answer was lost, where it was told not to', async (what, write) => {
  const url = `redis+cluster://127.0.0.1:${nodes[1]?.port},127.0.0.1:${proxyPort()}`;
  const connection = connect({ url, name: 'test', resend: false, onError: () => undefined });
  const admin = nodes[0]?.connect();
  try {
    await connection.del('stream');
    cutting = true;
    await expect(write(connection)).rejects.toThrow();
    expect(cutting).toBe(false);
    // It is there: only its answer was lost.
    expect(await admin?.xlen('stream')).toBe(what === 'a pipeline' ? 2 : 1);
  } finally {
    connection.disconnect();
    admin?.disconnect();
  }
});
