/** What is sent to the publisher's door by somebody who wants to break it, or to get past its token. */
import { gzipSync } from 'node:zlib';
import {
  mintOperatorToken,
  mintToken,
  startPublisher,
  startRedis,
  TEST_SECRET,
  type TestProcess,
  type TestRedis,
  within,
} from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { open } from './raw.js';

const TOKEN = 'for-services-and-for-nobody-else';
let redis: TestRedis;
let publisher: TestProcess;

beforeAll(async () => {
  redis = await startRedis();
  publisher = await startPublisher({
    REDIS_URL: redis.url,
    PUBLISHER_TOKEN: TOKEN,
    JWT_SECRET: TEST_SECRET,
    LOG_LEVEL: 'debug',
  });
});
afterAll(async () => {
  await publisher?.stop();
  await redis?.stop();
});

const accepted = () => redis.connect().xlen('belfry:intake');
const post = (body: BodyInit, headers: Record<string, string> = {}, path = '/v1/events') =>
  fetch(`${publisher.url}${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${TOKEN}`, 'content-type': 'application/json', ...headers },
    body,
  });
const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels);

describe('is refused, and nothing of it is accepted', () => {
  it.each([
    ['an event nested a million levels deep', `{"channel":"global","type":"a","data":${nested(1_000_000)}}`, 400],
    ['a list nested as deep', nested(1_000_000), 400],
    ['a bracket that is never closed, four million times', '['.repeat(4_000_000), 400],
    ['a channel that is a pattern', '{"channel":"user:*","type":"a"}', 400],
    ['a type of the gateway’s own', '{"channel":"global","type":"RESYNC"}', 400],
    ['eight megabytes and one byte', `"${'x'.repeat(8 * 1024 * 1024)}"`, 413],
  ])('%s', async (_, body, status) => {
    const before = await accepted();
    expect((await post(body)).status).toBe(status);
    expect(await accepted()).toBe(before);
  });

  it('what is packed: ten megabytes of zeros in ten kilobytes', async () => {
    const bomb = gzipSync(Buffer.alloc(10 * 1024 * 1024));
    expect((await post(bomb, { 'content-encoding': 'gzip' })).status).toBe(415);
  });

  it.each([
    ['no token', ''],
    ['another token', 'Bearer guessed'],
    ['the token and more', `Bearer ${TOKEN} x`],
    ['the token without its last letter', `Bearer ${TOKEN.slice(0, -1)}`],
    ['the token as a basic password', `Basic ${Buffer.from(`x:${TOKEN}`).toString('base64')}`],
  ])('a report with %s', async (_, authorization) => {
    const before = await accepted();
    expect((await post('{"channel":"global","type":"a"}', { authorization })).status).toBe(401);
    expect(await accepted()).toBe(before);
  });
});

it('__proto__ in an event is a field like any other: it changes nothing here, and not the event', async () => {
  const event = '{"channel":"user:42","type":"a","__proto__":{"channel":"global"},"constructor":{"prototype":{"x":1}}}';
  expect((await post(event)).status).toBe(202);
  const [[, fields]] = (await redis.connect().xrevrange('belfry:intake', '+', '-', 'COUNT', 1)) as [[string, string[]]];
  expect(JSON.parse(fields[1] ?? '')).toMatchObject({ channel: 'user:42' });
  expect((await post('{"channel":"user:42","type":"b"}')).status).toBe(202);
});

describe('is one request and no more', () => {
  const hidden = `POST /v1/events HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 31\r\n\r\n{"channel":"global","type":"a"}`;
  it.each([
    ['two lengths that differ', `Content-Length: 5\r\nContent-Length: 50`],
    ['a length and chunks', `Content-Length: 5\r\nTransfer-Encoding: chunked`],
    ['a length with a plus', 'Content-Length: +5'],
    ['an encoding in disguise', 'Transfer-Encoding: xchunked'],
    ['a header that begins with a space', ' Content-Length: 5'],
    ['a header name with a space behind it', 'Content-Length : 5'],
  ])('a request with %s', async (_, header) => {
    const before = await accepted();
    const raw = await open(Number(new URL(publisher.url).port));
    raw.write(`POST /v1/events HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer ${TOKEN}\r\n${header}\r\n\r\n${hidden}`);
    await within(raw.closed, 'end of the connection');
    expect(raw.text()).not.toContain(' 202 ');
    expect(await accepted()).toBe(before);
  });
});

it('secrets are in nothing that the publisher writes: the services’, its own, users’ and operators’ tokens, good and bad', async () => {
  const good = mintToken({ user_id: 'landlord-7' });
  const bad = mintToken({ user_id: 'landlord-7' }, { secret: 'somebody-elses-secret-0123456789abcdef' });
  const operator = mintOperatorToken();
  for (const token of [good, bad, operator]) {
    const headers = { authorization: `Bearer ${token}` };
    for (const path of ['/v1/portfolio', '/v1/kpis', `/v1/nothing?token=${token}`, `//${token}`]) {
      await (await fetch(`${publisher.url}${path}`, { headers })).text();
    }
    await (await fetch(`${publisher.operatorUrl}/jobs`, { headers })).text();
  }
  const metrics = await (await fetch(`${publisher.operatorUrl}/metrics`)).text();
  for (const secret of [TOKEN, TEST_SECRET, 'guessed', ...[good, bad, operator].map((token) => token.split('.')[2])]) {
    expect(publisher.output()).not.toContain(secret);
    expect(metrics).not.toContain(secret);
  }
});

it('and after all of it the publisher is still there, and has logged no failure of its own', async () => {
  expect((await post('{"channel":"user:42","type":"c"}')).status).toBe(202);
  expect(publisher.output()).not.toContain('request failed');
});
