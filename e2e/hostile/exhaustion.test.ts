/** A gateway with hardly any file descriptors: it refuses or leaves waiting who comes too many, serves who is there, recovers. */
import { execFileSync } from 'node:child_process';
import { connect, mintToken, openTestLog, startGateway, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { open, type Raw } from './raw.js';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(async () => {
  await redis?.stop();
});

it('without file descriptors nobody who is connected loses anything, and afterwards new ones come in', {
  timeout: 60_000,
}, async () => {
  const gateway = await startGateway({ REDIS_URL: redis.url });
  // Once it runs: to load its modules it needs more than it does to serve.
  execFileSync('prlimit', ['--pid', String(gateway.pid), '--nofile=96:96']);
  const url = `ws://127.0.0.1:${gateway.port}/ws`;
  const token = mintToken({ user_id: 'honest', role: 'LANDLORD', properties: ['1'] });
  const honest = await connect(url, { token });
  honest.send({ type: 'SUBSCRIBE', property_id: '1' });
  await honest.next('SUBSCRIBED');
  const crowd: Raw[] = [];
  for (let n = 0; n < 150; n += 1) crowd.push(await open(gateway.port));
  const log = openTestLog(redis.url);
  for (let n = 0; n < 20; n += 1) {
    await log.append('property:1', [{ n }]);
    expect(await honest.next('VIOLATION_UPDATE')).toMatchObject({ n });
  }
  await honest.settled();
  for (const each of crowd) each.destroy();
  const late = await connect(url, { token, deadlineMs: 20_000 });
  await late.next('AUTHENTICATED');
  log.close();
  expect(gateway.output()).not.toContain('fatal');
  honest.socket.terminate();
  late.socket.terminate();
  await gateway.stop();
});

it('a heap that is nearly full is not filled by strangers: a hundred sessions that send the longest frames', {
  timeout: 60_000,
}, async () => {
  const gateway = await startGateway({
    REDIS_URL: redis.url,
    NODE_OPTIONS: '--max-old-space-size=96',
    MAX_UNAUTHENTICATED_PER_IP: '200',
  });
  const clients = await Promise.all(Array.from({ length: 100 }, () => connect(gateway.wsUrl)));
  const longest = JSON.stringify({ type: 'AUTHENTICATE', token: 'x'.repeat(16_000) });
  for (const client of clients)
    for (let n = 0; n < 20; n += 1) if (client.socket.readyState === 1) client.sendRaw(longest);
  const honest = await connect(gateway.wsUrl, { token: mintToken({ user_id: 'honest' }) });
  await honest.next('AUTHENTICATED');
  await honest.settled();
  for (const client of [...clients, honest]) client.socket.terminate();
  await gateway.stop();
});
