/** Presence with real gateways, one of which is killed with -9. Its rules in detail: packages/shared/src/presence. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { connect as connectRedis } from '@belfry/shared/log';
import { createPresenceReader, type PresenceReader } from '@belfry/shared/presence';
import {
  connect,
  eventually,
  mintToken,
  StartFailed,
  startGateway,
  startRedis,
  type TestClient,
  type TestGateway,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest';
import { ROOT } from '../scripts/setup.mjs';
import { isThere, startOutside } from './outside-tools.js';

/** With the default expiry of 5 s, a beat a second, and room for a gateway on a busy machine. */
const FORGOTTEN_MS = 7_000;

let redis: TestRedis;
let connection: ReturnType<typeof connectRedis>;
let reader: PresenceReader;
let gateways: TestGateway[] = [];
const clients: TestClient[] = [];

const start = (NODE_NAME: string, more: Record<string, string> = {}) =>
  startGateway({ REDIS_URL: redis.url, NODE_NAME, ACCESS_POLICY: 'authenticated', ...more });

beforeAll(async () => {
  redis = await startRedis();
  connection = connectRedis({ url: redis.url, name: 'test', onError: () => undefined });
  reader = createPresenceReader({ connection, prefix: 'belfry' });
});
beforeEach(async () => {
  await redis.connect().flushall();
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.terminate();
  await Promise.all(gateways.splice(0).map((gateway) => gateway.stop()));
});
afterAll(async () => {
  connection?.disconnect();
  await redis?.stop();
});

async function watch(gateway: TestGateway | undefined, userId: string, property: string): Promise<TestClient> {
  const client = await connect((gateway as TestGateway).wsUrl, { token: mintToken({ user_id: userId }) });
  clients.push(client);
  client.send({ type: 'SUBSCRIBE', property_id: property });
  await client.next('SUBSCRIBED');
  return client;
}
/** What happened to a channel, and when, by Redis' clock. */
async function happened(channel: string): Promise<{ readonly event: string; readonly at: number }[]> {
  const entries = await connection.xrange('belfry:occupancy', '-', '+');
  return entries.flatMap(([id, [, name, , event]]) =>
    name === channel && event ? [{ event, at: Number(id.split('-')[0]) }] : [],
  );
}
const occupancy = async (channel: string): Promise<string[]> => (await happened(channel)).map(({ event }) => event);

it('follows clients as they come, watch and go, over several gateways', async () => {
  gateways = await Promise.all([start('gateway-1'), start('gateway-2')]);
  const first = await watch(gateways[0], 'landlord-7', '1012650001');
  const second = await watch(gateways[1], 'landlord-7', '1012650001');
  await watch(gateways[1], 'manager', '3012340001');
  const user = await eventually('both connections', async () => {
    const found = await reader.connected('landlord-7');
    return found?.connections === 2 && found;
  });
  expect([...user.nodes].sort()).toEqual(['gateway-1', 'gateway-2']);
  expect(Math.abs(user.since - Date.now() / 1000)).toBeLessThan(60);
  await eventually('watchers on both', async () => (await reader.watchersOf('property:1012650001')).length === 2);
  await Promise.all([first.close(), second.close()]);
  await eventually('the user to be gone', async () => !(await reader.isConnected('landlord-7')));
  // Users are told of first, then channels.
  await eventually('the end of it', async () => (await occupancy('property:1012650001')).includes('vacated'));
  expect(await reader.watchersOf('property:1012650001')).toEqual([]);
  expect(await occupancy('property:1012650001')).toEqual(['occupied', 'vacated']);
  expect(await reader.isConnected('manager')).toBe(true);
});

it('is not touched by a gateway that was started under a name that another has: it does not start', async () => {
  gateways = [await start('gateway-1')];
  await watch(gateways[0], 'landlord-7', '1012650001');
  await eventually('the connection', () => reader.isConnected('landlord-7'));
  const failure = await start('gateway-1').catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(StartFailed);
  const { exit, output } = failure as StartFailed;
  expect(exit?.code).toBe(78);
  expect(output).toContain('NODE_NAME="gateway-1" is taken');
  expect(await reader.isConnected('landlord-7')).toBe(true);
  await eventually('the channel', async () => (await occupancy('property:1012650001')).includes('occupied'));
  expect(await occupancy('property:1012650001')).toEqual(['occupied']);
  const metrics = await fetch(`${gateways[0]?.operatorUrl}/metrics`);
  expect(await metrics.text()).toContain('belfry_node_name_rivals_total 1');
});

it('is read and followed as docs/presence.md says', async () => {
  gateways = [await start('gateway-1')];
  await watch(gateways[0], 'landlord-7', '1012650001');
  await eventually('the user', () => reader.isConnected('landlord-7'));
  await eventually('the channel', async () => (await occupancy('property:1012650001')).includes('occupied'));
  const text = readFileSync(join(ROOT, 'docs/presence.md'), 'utf8');
  const block = (kind: string) =>
    new RegExp(`<!-- test: ${kind} -->\\n\`\`\`\\w+\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1] ?? '';
  const run = async (command: string, args: string[], input: string) => {
    const program = startOutside(command, args, { input, env: { REDIS_URL: redis.url } });
    expect(await program.ended, program.output()).toBe(0);
    return program.output();
  };
  const read = await run(process.execPath, ['--input-type=module'], block('reader'));
  expect(read).toMatch(/^true$/m);
  expect(read).toMatch(/connections: 1/);
  expect(read).toContain("[ { node: 'gateway-1', count: 1 } ]");
  expect(read).toMatch(/^landlord-7$/m);
  expect(read).toMatch(/^property:1012650001$/m);
  if (await isThere('redis-cli')) expect(await run('sh', [], block('occupancy'))).toContain('property:1012650001');
});

it('is exact within seven seconds after a gateway was killed, and the other one says what is vacated', async () => {
  gateways = await Promise.all([start('gateway-1'), start('gateway-2')]);
  await watch(gateways[0], 'landlord-7', '1012650001');
  await watch(gateways[0], 'manager', '3012340001');
  await watch(gateways[1], 'manager', '3012340001');
  await eventually('everybody', async () => {
    const [landlord, manager] = await Promise.all([reader.connected('landlord-7'), reader.connected('manager')]);
    return landlord && manager?.connections === 2;
  });
  await eventually('their channels', async () => (await reader.watchersOf('property:3012340001')).length === 2);
  await eventually('the other channel', async () => (await occupancy('property:1012650001')).includes('occupied'));
  const killedAt = Date.now();
  await gateways[0]?.kill();
  expect(await reader.isConnected('landlord-7')).toBe(true);
  await eventually('the killed one’s users to be gone', async () => !(await reader.isConnected('landlord-7')));
  const { at } = await eventually('vacated', async () =>
    (await happened('property:1012650001')).find(({ event }) => event === 'vacated'),
  );
  // Not when this test has seen it, which may be later on a busy machine.
  expect(at - killedAt).toBeLessThan(FORGOTTEN_MS);
  expect(await reader.connected('manager')).toMatchObject({ connections: 1, nodes: ['gateway-2'] });
  expect(await reader.watchersOf('property:3012340001')).toEqual([{ node: 'gateway-2', count: 1 }]);
  expect(await occupancy('property:1012650001')).toEqual(['occupied', 'vacated']);
  expect(await occupancy('property:3012340001')).toEqual(['occupied']);
});

it('would not be exact so soon with a longer expiry', async () => {
  gateways = [await start('gateway-1', { PRESENCE_EXPIRY_SECONDS: '60' }), await start('gateway-2')];
  await watch(gateways[0], 'landlord-7', '1012650001');
  await eventually('the user', () => reader.isConnected('landlord-7'));
  await gateways[0]?.kill();
  const gone = eventually('the user to be gone', async () => !(await reader.isConnected('landlord-7')), {
    deadlineMs: FORGOTTEN_MS,
  });
  await expect(gone).rejects.toThrow('the user to be gone');
});

it('is taken back at once by a gateway that is stopped', async () => {
  gateways = await Promise.all([start('gateway-1', { SHUTDOWN_SECONDS: '0' }), start('gateway-2')]);
  await watch(gateways[0], 'landlord-7', '1012650001');
  await eventually('the channel', async () => (await occupancy('property:1012650001')).includes('occupied'));
  expect(await reader.isConnected('landlord-7')).toBe(true);
  await gateways[0]?.stop();
  expect(await reader.isConnected('landlord-7')).toBe(false);
  expect(await occupancy('property:1012650001')).toEqual(['occupied', 'vacated']);
});
