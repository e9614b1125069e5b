/** A client that does not read is cut off; its neighbours do not notice, and it recovers what it missed. */
import {
  connect,
  mintToken,
  openTestLog,
  startGateway,
  startRedis,
  type TestGateway,
  type TestLog,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

let redis: TestRedis;
let gateway: TestGateway;
let log: TestLog;
const token = mintToken({ user_id: 'manager', role: 'ADMIN' });

beforeAll(async () => {
  redis = await startRedis();
  log = openTestLog(redis.url);
  gateway = await startGateway({ REDIS_URL: redis.url, MAX_BACKPRESSURE_BYTES: '65536' });
});
afterAll(async () => {
  log?.close();
  await gateway?.stop();
  await redis?.stop();
});

async function subscriber(after?: string) {
  const client = await connect(gateway.wsUrl, { token });
  client.send({ type: 'SUBSCRIBE', property_id: 'hot', ...(after ? { after } : {}) });
  await client.next('SUBSCRIBED');
  return client;
}

it('cuts off who does not read within the byte budget, and nobody else', async () => {
  const slow = await subscriber();
  const quick = await subscriber();
  slow.socket.pause();
  // The kernel takes some 4 MB before uWebSockets.js sees that anybody is slow.
  const text = 'x'.repeat(8_000);
  const positions: string[] = [];
  for (let batch = 0; batch < 100; batch += 1) {
    const bodies = Array.from({ length: 10 }, (_, n) => ({ n: batch * 10 + n, text }));
    positions.push(...(await log.append('property:hot', bodies)));
  }
  const events = await quick.take(positions.length, 'VIOLATION_UPDATE');
  expect(events.map(({ id }) => id)).toEqual(positions);
  const closes = async () =>
    (await (await fetch(`${gateway.operatorUrl}/metrics`)).text()).match(
      /websocket_closes_total\{code="4201"\} (\d+)/,
    )?.[1];
  await vi.waitFor(async () => expect(await closes()).toBe('1'), { timeout: 10_000 });
  slow.socket.resume();
  await slow.closed;
  // What it got is a prefix without a hole.
  const got = slow.received.filter(({ type }) => type === 'VIOLATION_UPDATE').map(({ id }) => id);
  expect(got).toEqual(positions.slice(0, got.length));
  expect(got.length).toBeLessThan(positions.length);
  await quick.close();
});
