/** What operators and services say to many: within limits, and never as a line of the log that nobody has written. */
import {
  eventually,
  mintOperatorToken,
  startGateway,
  startPublisher,
  startRedis,
  type TestGateway,
  type TestProcess,
  type TestRedis,
  within,
} from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { open } from './raw.js';

let redis: TestRedis;
let gateway: TestGateway;
let publisher: TestProcess;

beforeAll(async () => {
  redis = await startRedis();
  [gateway, publisher] = await Promise.all([
    startGateway({ REDIS_URL: redis.url, RATE_LIMIT_BROADCASTS: '30', RATE_LIMIT_WINDOW_SECONDS: '300' }),
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
  ['a type that only boards have', { message: 'x', type: 'STATE_UPDATE', channel: 'state:tasks' }],
  ['data that are nested too deep', { message: 'x', data: JSON.parse('['.repeat(65) + ']'.repeat(65)) }],
  ['a channel that is none', { message: 'x', channel: 'role:*' }],
  ['no message', {}],
])('a broadcast with %s is refused, and nothing is sent', async (_, body) => {
  const before = await redis.connect().xlen('belfry:intake');
  expect((await gateway.operate('/ws/broadcast', { body })).status).toBe(400);
  expect(await redis.connect().xlen('belfry:intake')).toBe(before);
});

it('an operator who broadcasts in a loop is stopped, told when to go on, and counted; others are not, nor messages to one user', async () => {
  const say = (operator: string, path: string, body: unknown) =>
    fetch(`${gateway.operatorUrl}${path}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${mintOperatorToken(operator)}` },
      body: JSON.stringify(body),
    });
  const broadcast = (operator: string) => say(operator, '/ws/broadcast', { message: 'again' });
  const before = await redis.connect().xlen('belfry:intake');
  for (let n = 0; n < 30; n += 1) expect((await broadcast('in-a-loop')).status).toBe(200);
  const refused = await broadcast('in-a-loop');
  expect(refused.status).toBe(429);
  expect(await refused.json()).toMatchObject({ code: 'rate_limited' });
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThan(0);
  expect((await broadcast('calm')).status).toBe(200);
  const toOne = await say('in-a-loop', '/ws/notify-user', { user_id: 'landlord-7', message: 'for you' });
  expect(toOne.status).toBe(200);
  // All that was answered with 200 is in the intake, and nothing else.
  expect(await redis.connect().xlen('belfry:intake')).toBe(before + 32);
  const metrics = await (await fetch(`${gateway.operatorUrl}/metrics`)).text();
  expect(metrics).toContain('belfry_operator_broadcasts_total{result="rate_limited"} 1');
});

it('who hangs up within a body is no failure: nothing of it is an error in the log', async () => {
  const half = (path: string, headers: string) =>
    `POST ${path} HTTP/1.1\r\nHost: a\r\n${headers}\r\nContent-Length: 100\r\n\r\n{`;
  const operator = await open(Number(new URL(gateway.operatorUrl).port));
  operator.write(half('/ws/broadcast', `Authorization: Bearer ${mintOperatorToken('hangs-up')}`));
  const service = await open(Number(new URL(publisher.url).port));
  service.write(half('/v1/events', 'Content-Type: application/json'));
  const refused = async () => {
    const metrics = await (await fetch(`${publisher.operatorUrl}/metrics`)).text();
    return /belfry_intake_refused_total\{code="bad_request"\} \d/.test(metrics);
  };
  // Both have been read up to there once the server has answered somebody behind them.
  await refused();
  service.destroy();
  operator.destroy();
  await eventually('an audit line', () => gateway.output().includes('"operator":"hangs-up"'));
  await eventually('a refusal', refused);
  for (const output of [gateway.output(), publisher.output()]) expect(output).not.toMatch(/"level":"error"/);
});

it('half a request is cut within twenty seconds at the operators’ and the publisher’s ports, and so is one that says nothing', {
  timeout: 40_000,
}, async () => {
  const ports = [gateway.operatorUrl, publisher.operatorUrl, publisher.url].map((url) => Number(new URL(url).port));
  const slow = await Promise.all([...ports, ...ports].map((port) => open(port)));
  for (const raw of slow.slice(0, ports.length)) raw.write('POST /v1/changes HTTP/1.1\r\nHost: a\r\nX-Half:');
  await within(Promise.all(slow.map(({ closed }) => closed)), 'end of the slow connections', {
    deadlineMs: 20_000,
  });
});

it('a path is what it says: one that begins with two slashes is nobody’s, one that cannot be read a bad request', async () => {
  const answer = async (url: string, target: string) => {
    const raw = await open(Number(new URL(url).port));
    raw.write(`GET ${target} HTTP/1.1\r\nHost: a\r\n\r\n`);
    const status = await raw.until(/^HTTP\/1.1 \d+/);
    raw.destroy();
    return status.slice('HTTP/1.1 '.length);
  };
  expect(await answer(gateway.operatorUrl, '/livez')).toBe('200');
  for (const url of [gateway.operatorUrl, publisher.operatorUrl]) {
    expect(await answer(url, '//a/livez')).toBe('404');
    expect(await answer(url, '//')).toBe('404');
  }
  expect(await answer(publisher.url, '//a/v1/changes')).toBe('404');
  expect(await answer(gateway.operatorUrl, 'http://a:b/livez')).toBe('400');
  for (const output of [gateway.output(), publisher.output()]) expect(output).not.toMatch(/"level":"error"/);
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
