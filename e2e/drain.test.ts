/** A gateway that is told to go lets every client go in order, and loses nothing on the way. */
import {
  connect,
  eventually,
  mintToken,
  openTestLog,
  startGateway,
  startRedis,
  type TestLog,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';

let redis: TestRedis;
let log: TestLog;
const token = mintToken({ user_id: 'manager', role: 'ADMIN' });

beforeAll(async () => {
  redis = await startRedis();
  log = openTestLog(redis.url);
});
afterAll(async () => {
  log?.close();
  await redis?.stop();
});

it('tells every client when to come back, closes them at a pace, ends by itself with exit code 0', async () => {
  const gateway = await startGateway({ REDIS_URL: redis.url, DRAIN_PER_SECOND: '10', SHUTDOWN_SECONDS: '10' });
  // Three seconds' worth: time enough to look at a gateway that drains.
  const clients = await Promise.all(
    Array.from({ length: 30 }, async () => {
      const client = await connect(gateway.wsUrl, { token });
      client.send({ type: 'SUBSCRIBE', property_id: 'drained' });
      await client.next('SUBSCRIBED');
      return client;
    }),
  );
  gateway.signal('SIGTERM');
  await eventually('a gateway that wants no more', async () => {
    return (await fetch(`${gateway.operatorUrl}/readyz`)).status === 503;
  });
  expect((await fetch(`${gateway.operatorUrl}/livez`)).status).toBe(200);
  // Who has not been told yet still gets every event.
  await log.append('property:drained', [{ n: 1 }]);
  const closes = await Promise.all(clients.map(({ closed }) => closed));
  expect(closes.every(({ code }) => code === 4200)).toBe(true);
  // One after the other: some of them got it before they were told.
  const types = clients.map(({ received }) => received.map(({ type }) => type));
  const gotIt = types.filter((seen) => seen.indexOf('VIOLATION_UPDATE') > seen.indexOf('SUBSCRIBED'));
  expect(gotIt.some((seen) => seen.indexOf('VIOLATION_UPDATE') < seen.indexOf('GOING_AWAY'))).toBe(true);
  for (const client of clients) {
    const told = client.pending('GOING_AWAY')[0];
    expect(told?.reconnect_after_ms).toBeGreaterThanOrEqual(0);
  }
  expect(await gateway.exited).toEqual({ code: 0, signal: null });
  await expect(connect(gateway.wsUrl, { token })).rejects.toThrow();
});
