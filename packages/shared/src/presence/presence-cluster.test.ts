/** Presence on a Redis Cluster: its scripts touch one slot only, and outlive a master. */
import { eventually, startCluster, type TestCluster } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Connection, connect } from '../log/index.js';
import { createLogger, systemClock } from '../service/index.js';
import { createPresenceReader } from './reader.js';
import { type PresenceWriter, startPresenceWriter } from './writer.js';

let cluster: TestCluster;
const connections: Connection[] = [];
beforeAll(async () => {
  cluster = await startCluster();
}, 120_000);
afterAll(async () => {
  for (const connection of connections) connection.disconnect();
  await cluster?.stop();
}, 30_000);

function open(name: string): Connection {
  const url = `redis+cluster://${cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`;
  const connection = connect({ url, name, onError: () => undefined });
  connections.push(connection);
  return connection;
}

function start(node: string, users: Map<string, number>, channels: Map<string, number>): PresenceWriter {
  const counts = (of: Map<string, number>) => ({ names: () => of.keys(), count: (name: string) => of.get(name) ?? 0 });
  return startPresenceWriter({
    connection: open(node),
    prefix: 'belfry',
    node,
    users: counts(users),
    channels: counts(channels),
    expiryMs: 5_000,
    clock: systemClock,
    logger: createLogger('test', 'silent'),
  });
}

it('tells who is there, and is right again after a master has died', async () => {
  const users = new Map([['landlord-7', 1]]);
  const channels = new Map([['property:1', 1]]);
  const writers = [start('a', users, channels), start('b', new Map([['manager', 1]]), new Map())];
  const connection = open('reader');
  const reader = createPresenceReader({ connection, prefix: 'belfry' });
  await eventually('both', async () => (await reader.connectedAmong(['landlord-7', 'manager'])).size === 2);
  await eventually('the channel', async () => (await reader.watchersOf('property:1')).length === 1);
  const master = await cluster.masterOf('belfry:occupancy');
  await master.kill();
  users.set('landlord-8', 1);
  users.delete('landlord-7');
  await cluster.failedOver('belfry:occupancy', master);
  await eventually(
    'what is true now',
    async () => {
      const found = await reader.connectedAmong(['landlord-7', 'landlord-8', 'manager']);
      return [...found.keys()].sort().join() === 'landlord-8,manager';
    },
    { deadlineMs: 30_000 },
  );
  const watchers = await eventually('its channel', async () => {
    const found = await reader.watchersOf('property:1');
    return found.length === 1 && found;
  });
  expect(watchers).toEqual([{ node: 'a', count: 1 }]);
  await Promise.all(writers.map((writer) => writer.close()));
  expect(await reader.watchersOf('property:1')).toEqual([]);
}, 120_000);
