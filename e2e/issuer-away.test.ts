/** While the issuer's keys cannot be had no token is called wrong: whoever shows one is told to come again, at every port. */
import {
  connect,
  mintOperatorToken,
  mintToken,
  startGateway,
  startPublisher,
  startRedis,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';

/** Nobody listens there. */
const JWT_JWKS_URL = 'http://127.0.0.1:1/keys';
let redis: TestRedis;
let gateway: TestGateway;
let publisher: TestProcess;
const token = mintToken({ user_id: 'landlord-7', properties: ['1'] });

beforeAll(async () => {
  redis = await startRedis();
  const env = { REDIS_URL: redis.url, JWT_SECRET: '', JWT_JWKS_URL };
  [gateway, publisher] = await Promise.all([startGateway(env), startPublisher(env)]);
});
afterAll(async () => {
  await Promise.all([gateway?.stop(), publisher?.stop()]);
  await redis?.stop();
});

it.each([
  ['the clients’ port', () => `${gateway.url}/v1/state?channel=property:1`, token],
  ['the operators’ port', () => `${gateway.operatorUrl}/ws/stats`, mintOperatorToken()],
  ['the publisher’s door', () => `${publisher.url}/v1/portfolio`, token],
  ['the publisher’s operators’ port', () => `${publisher.operatorUrl}/dead-letters`, mintOperatorToken()],
])('%s answers 503, with when to come again', async (_, url, shown) => {
  const answer = await fetch(url(), { headers: { authorization: `Bearer ${shown}` } });
  expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^[1-9]\d*$/)]);
  expect(await answer.json()).toEqual({ code: 'unavailable', message: 'the token cannot be verified at the moment' });
});

it('a connection is told so as often as it asks, and stays', async () => {
  const client = await connect(gateway.wsUrl);
  for (const asked of [1, 2, 3, 4]) {
    client.send({ type: 'AUTHENTICATE', token, ref: asked });
    const error = await client.next('ERROR', ({ ref }) => ref === asked);
    expect(error).toMatchObject({ code: 'unavailable', retry_after_ms: expect.any(Number) });
  }
  client.send({ type: 'PING', ref: 'still here' });
  await client.next('PONG');
  await client.close();
});
