import { Agent, get, type IncomingMessage } from 'node:http';
import { createLogger } from '@belfry/shared/service';
import { deferred, eventually, within } from '@belfry/testkit';
import { expect, it, onTestFinished } from 'vitest';
import { type HttpReply, startHttpDoor } from './server.js';

it('closing answers the request in hand and does not wait for its client to hang up', async () => {
  const arrived = deferred<void>();
  const answer = deferred<HttpReply>();
  const handle = () => {
    arrived.resolve();
    return answer.promise;
  };
  const http = await startHttpDoor({
    host: '127.0.0.1',
    port: 0,
    tokens: () => [],
    routes: [{ method: 'GET', path: '/', handle }],
    logger: createLogger('test', 'silent'),
    onRefused: () => undefined,
  });
  const agent = new Agent({ keepAlive: true });
  try {
    const inHand = new Promise<IncomingMessage>((resolve, reject) => {
      get(`http://127.0.0.1:${http.port}/`, { agent }, (response) => resolve(response.resume())).once('error', reject);
    });
    await arrived.promise;
    const closed = http.close();
    answer.resolve({ status: 200, body: {} });
    expect(await inHand).toMatchObject({ statusCode: 200, headers: { connection: 'close' } });
    // Who was left to hang up is cut off after five seconds.
    await within(closed, 'end of the door', { deadlineMs: 4_500 });
  } finally {
    agent.destroy();
  }
});

it('holds no more bodies than its memory allows, also those that were read and wait', async () => {
  const redisIsBack = deferred<HttpReply>();
  let waiting = 0;
  const http = await startHttpDoor({
    host: '127.0.0.1',
    port: 0,
    tokens: () => [],
    maxPendingBytes: 3_000,
    routes: [
      {
        method: 'POST',
        path: '/v1/slow',
        handle: async (request) => {
          await request.json();
          waiting += 1;
          return redisIsBack.promise;
        },
      },
    ],
    logger: createLogger('test', 'silent'),
    onRefused: () => undefined,
  });
  onTestFinished(http.close);
  // Three of these are all that is allowed; each is in hand before the next comes.
  const large = JSON.stringify('x'.repeat(998));
  const post = () =>
    fetch(`http://127.0.0.1:${http.port}/v1/slow`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: large,
    });
  const inHand: Promise<Response>[] = [];
  for (let n = 1; n <= 3; n += 1) {
    inHand.push(post());
    await eventually('body in hand', () => waiting === n);
  }
  const refused = await post();
  expect(refused.status).toBe(429);
  expect(await refused.json()).toMatchObject({ code: 'too_many_requests' });
  redisIsBack.resolve({ status: 200, body: {} });
  for (const answer of await Promise.all(inHand)) expect(answer.status).toBe(200);
  expect((await post()).status).toBe(200);
});
