/** What operators and services say to many: within limits, and never as a line of the log that nobody has written. */
import {
  eventually,
  startGateway,
  startPublisher,
  startRedis,
  type TestGateway,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';

let redis: TestRedis;
let gateway: TestGateway;
let publisher: TestProcess;

beforeAll(async () => {
  redis = await startRedis();
  [gateway, publisher] = await Promise.all([
    startGateway({ REDIS_URL: redis.url }),
    startPublisher({ REDIS_URL: redis.url }),
  ]);
});
afterAll(async () => {
  await Promise.all([gateway, publisher].map((each) => each?.stop()));
  await redis?.stop();
});

it.each([
  ['a message that is too long', { message: 'x'.repeat(2_001) }],
  ['data that are too long', { message: 'x', data: 'x'.repeat(14_000) }],
  ['a type that gateways use', { message: 'x', type: 'RESYNC' }],
  ['a type that is no word', { message: 'x', type: 'a b' }],
  ['a severity of its own', { message: 'x', severity: 'apocalyptic' }],
  ['a channel that is none', { message: 'x', channel: 'role:*' }],
  ['no message', {}],
])('a broadcast with %s is refused, and nothing is sent', async (_, body) => {
  const before = await redis.connect().xlen('belfry:intake');
  expect((await gateway.operate('/ws/broadcast', { body })).status).toBe(400);
  expect(await redis.connect().xlen('belfry:intake')).toBe(before);
});

it('line breaks and control characters forge no line of a log', async () => {
  const forged = '\n{"level":"fatal","msg":"forged"}\r\n\u001b[2J\u0007{"level":"fatal","msg":"forged"}\n';
  await redis.connect().xadd('belfry:intake', '*', forged, forged);
  await redis
    .connect()
    .xadd('belfry:intake', '*', 'change', JSON.stringify({ property_id: forged, violation_type: forged }));
  await gateway.operate('/ws/revoke', { body: { user_id: forged, jti: forged } });
  await gateway.operate('/ws/broadcast', { body: { message: forged, channel: forged } });
  const dead = () =>
    publisher
      .output()
      .split('\n')
      .filter((line) => line.includes('dead letter'));
  await eventually('two dead letters', () => dead().length >= 2);
  for (const output of [publisher.output(), gateway.output()]) {
    const lines = output.split('\n').filter((line) => line !== '');
    const read = lines.map((line) => JSON.parse(line) as { msg?: string });
    expect(read.filter(({ msg }) => msg === 'forged')).toEqual([]);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(output).not.toMatch(/[\u0000-\u0009\u000b-\u001f]/);
  }
});
