/** Redis goes away and comes back: connections stay, nobody is lied to, nothing is lost in silence. */
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { comparePositions, type Position, parsePosition } from '@belfry/shared/protocol';
import {
  connect,
  type Frame,
  mintToken,
  openTestLog,
  startGateway,
  startRedis,
  type TestGateway,
  type TestRedis,
} from '@belfry/testkit';
import { afterEach, beforeEach, expect, it, onTestFinished, vi } from 'vitest';

let redis: TestRedis;
let gateway: TestGateway;
const token = mintToken({ user_id: 'manager', role: 'ADMIN' });

beforeEach(async () => {
  redis = await startRedis({ appendFsync: 'always' });
  gateway = await startGateway({ REDIS_URL: redis.url, SUBSCRIBE_WAIT_SECONDS: '1', READINESS_GRACE_SECONDS: '1' });
});
afterEach(async () => {
  await gateway?.stop();
  await redis?.stop();
});

const status = async (path: string) => (await fetch(`${gateway.operatorUrl}${path}`)).status;
const becomes = (path: string, expected: number) =>
  vi.waitFor(async () => expect(await status(path)).toBe(expected), { timeout: 30_000 });

async function append(channel: string, bodies: Record<string, unknown>[], to = redis): Promise<string[]> {
  const log = openTestLog(to.url);
  try {
    return await log.append(channel, bodies, 'HPD');
  } finally {
    log.close();
  }
}

it('keeps connections, answers `unavailable` in time, is not ready after the grace period, and goes on where it was', async () => {
  const client = await connect(gateway.wsUrl, { token });
  client.send({ type: 'SUBSCRIBE', property_id: '1' });
  await client.next('SUBSCRIBED');
  await append('property:1', [{ n: 1 }]);
  await client.next('VIOLATION_UPDATE');

  await redis.kill();
  client.send({ type: 'SUBSCRIBE', property_id: '2', ref: 'later' });
  client.send({ type: 'PING', ref: 'after' });
  const error = await client.next('ERROR');
  expect(error).toMatchObject({ code: 'unavailable', channel: 'property:2', ref: 'later' });
  expect(error.retry_after_ms).toBeGreaterThan(0);
  await client.next('PONG');
  await becomes('/readyz', 503);
  expect(await status('/livez')).toBe(200);

  await redis.start();
  const [second] = await append('property:1', [{ n: 2 }]);
  const event = await client.next('VIOLATION_UPDATE', undefined, { deadlineMs: 15_000 });
  expect(event).toMatchObject({ n: 2, id: second });
  await becomes('/readyz', 200);
  // The log reached back: nothing had to be begun anew.
  expect(client.pending('RESYNC')).toEqual([]);
});

it('tells every subscriber when Redis has lost what they saw: RESYNC, then the state that is left', async () => {
  const client = await connect(gateway.wsUrl, { token });
  client.send({ type: 'SUBSCRIBE', property_id: '1' });
  await client.next('SUBSCRIBED');
  await append('property:1', [{ n: 1 }, { n: 2 }]);
  await client.take(2, 'VIOLATION_UPDATE');
  await redis.restart({ keepData: false });
  const own = ({ channel }: Frame) => channel === 'property:1';
  const resync = await client.next('RESYNC', own, { deadlineMs: 15_000 });
  const state = await client.next('STATE', own);
  expect(state).toMatchObject({ channel: 'property:1', id: resync.id, events: [] });
  const [after] = await append('property:1', [{ n: 3 }]);
  expect(await client.next('VIOLATION_UPDATE', undefined, { deadlineMs: 15_000 })).toMatchObject({ n: 3, id: after });
});

it('tells who saw more than a dump has that is put back, and gives none of these positions again', async () => {
  const own = await startRedis();
  const behind = await startGateway({ REDIS_URL: own.url });
  onTestFinished(async () => {
    await behind.stop();
    await own.stop();
  });
  const toProperty = ({ channel }: Frame) => channel === 'property:1';
  const report = async (n: number): Promise<string> => (await append('property:1', [{ n }], own))[0] as string;
  const client = await connect(behind.wsUrl, { token });
  client.send({ type: 'SUBSCRIBE', property_id: '1' });
  await client.next('SUBSCRIBED');
  const kept = await report(1);
  const commands = own.connect();
  await commands.save();
  const [, folder] = (await commands.config('GET', 'dir')) as [string, string];
  await copyFile(join(folder, 'dump.rdb'), join(folder, 'backup.rdb'));
  const lost = await report(2);
  await client.take(2, 'VIOLATION_UPDATE');

  await own.kill();
  await copyFile(join(folder, 'backup.rdb'), join(folder, 'dump.rdb'));
  await own.start();
  await client.next('RESYNC', toProperty, { deadlineMs: 15_000 });
  expect(await client.next('STATE', toProperty)).toMatchObject({ events: [{ id: kept, n: 1 }] });
  const next = await report(3);
  expect(await client.next('VIOLATION_UPDATE', undefined, { deadlineMs: 15_000 })).toMatchObject({ n: 3, id: next });
  expect(comparePositions(parsePosition(next) as Position, parsePosition(lost) as Position)).toBeGreaterThan(0);

  const late = await connect(behind.wsUrl, { token });
  late.send({ type: 'SUBSCRIBE', property_id: '1', after: lost });
  expect(await late.next('SUBSCRIBED')).toMatchObject({ recovered: false });
  expect(await late.next('STATE', toProperty)).toMatchObject({ events: [{ id: next, n: 3 }] });
  const early = await connect(behind.wsUrl, { token });
  early.send({ type: 'SUBSCRIBE', property_id: '1', after: kept });
  expect(await early.next('SUBSCRIBED')).toMatchObject({ recovered: true, replay: 1 });
});
