/**
 * Redis answers, and takes no writes: its memory is full, its disk is, its replicas are gone. Nothing new comes in; what is
 * there reaches everybody who comes back, and what was put off comes as soon as Redis takes it.
 */
import {
  connect,
  mintToken,
  openTestLog,
  startGateway,
  startRedis,
  type TestGateway,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

let redis: TestRedis;
let gateway: TestGateway;
const token = mintToken({ user_id: 'manager', role: 'ADMIN' });

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGateway({ REDIS_URL: redis.url, SUBSCRIBE_WAIT_SECONDS: '1', LINGER_SECONDS: '0' });
});
afterAll(async () => {
  await gateway?.stop();
  await redis?.stop();
});

async function append(channel: string, bodies: Record<string, unknown>[]): Promise<string[]> {
  const log = openTestLog(redis.url);
  try {
    return await log.append(channel, bodies, 'HPD');
  } finally {
    log.close();
  }
}

it.each([
  ['its memory is full', 'maxmemory', '1', '0'],
  ['too few replicas are there', 'min-replicas-to-write', '1', '0'],
])('who comes back gets what was missed while %s', async (_, setting, refusing, taking) => {
  const property = setting === 'maxmemory' ? '1' : '2';
  const channel = `property:${property}`;
  const admin = redis.connect();
  const positions = await append(channel, [{ n: 1 }, { n: 2 }, { n: 3 }]);
  await admin.config('SET', setting, refusing);
  try {
    await expect(append(channel, [{ n: 4 }])).rejects.toThrow();
    const client = await connect(gateway.wsUrl, { token });
    client.send({ type: 'SUBSCRIBE', property_id: property, after: positions[0] });
    expect(await client.next('SUBSCRIBED')).toMatchObject({ id: positions[2], recovered: true, replay: 2 });
    const stranger = await connect(gateway.wsUrl, { token });
    stranger.send({ type: 'SUBSCRIBE', property_id: property, after: '5-5' });
    expect(await stranger.next('SUBSCRIBED')).toMatchObject({ id: positions[2], recovered: false });
    expect((await stranger.next('STATE')).events).toMatchObject([{ n: 3 }]);
    stranger.send({ type: 'GET_STATE', property_id: property, ref: 'state' });
    expect(await stranger.next('STATE')).toMatchObject({ ref: 'state', id: positions[2] });
    for (const path of ['/v1/events?after=5-5&', '/v1/state?']) {
      const headers = { authorization: `Bearer ${token}` };
      const answer = await fetch(`http://127.0.0.1:${gateway.port}${path}channel=${channel}`, { headers });
      expect(answer.status).toBe(200);
    }
    // A channel without a log would need one for a position to follow from.
    stranger.send({ type: 'SUBSCRIBE', property_id: `${property}000` });
    expect(await stranger.next('ERROR')).toMatchObject({ code: 'unavailable', channel: `property:${property}000` });
    const revoked = () => gateway.operate('/ws/revoke', { body: { user_id: 'tenant-1' } });
    const refused = await revoked();
    expect([refused.status, await refused.json()]).toEqual([503, expect.objectContaining({ code: 'unavailable' })]);
    await admin.config('SET', setting, taking);
    expect((await revoked()).status).toBe(200);
    await vi.waitFor(
      async () => {
        stranger.send({ type: 'SUBSCRIBE', property_id: `${property}000` });
        // Or an error again, which the next attempt follows.
        await stranger.next('SUBSCRIBED', undefined, { deadlineMs: 3_000 });
      },
      { timeout: 30_000 },
    );
    const [after] = await append(channel, [{ n: 4 }]);
    await client.take(2, 'VIOLATION_UPDATE');
    expect(await client.next('VIOLATION_UPDATE')).toMatchObject({ n: 4, id: after });
  } finally {
    await admin.config('SET', setting, taking);
  }
});
