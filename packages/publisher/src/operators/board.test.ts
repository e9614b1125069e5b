/** Bull Board on the operators' port of a real publisher: behind the operators' token, with every queue. */
import {
  eventually,
  mintOperatorToken,
  mintToken,
  startPublisher,
  startRedis,
  TEST_SECRET,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { Queue } from 'bullmq';
import { afterAll, beforeAll, expect, it } from 'vitest';

let redis: TestRedis;
let publisher: TestProcess;

beforeAll(async () => {
  redis = await startRedis();
  publisher = await startPublisher({ REDIS_URL: redis.url, JWT_SECRET: TEST_SECRET });
});
afterAll(async () => {
  await publisher?.stop();
  await redis?.stop();
});

const basic = (token: string) => `Basic ${Buffer.from(`operator:${token}`).toString('base64')}`;
const ask = (path: string, authorization = '', init: RequestInit = {}) =>
  fetch(`${publisher.operatorUrl}/jobs/board${path}`, { ...init, headers: { authorization, ...init.headers } });

it('asks for a password, which is an operator’s token', async () => {
  const refused = await ask('');
  expect(refused.status).toBe(401);
  expect(refused.headers.get('www-authenticate')).toMatch(/^Basic /);
  expect((await ask('', basic(mintToken({ user_id: 'landlord-7', role: 'ADMIN' })))).status).toBe(401);
  expect((await ask('/static/favicon.svg')).status).toBe(401);
  const page = await ask('', basic(mintOperatorToken()));
  expect(page.status).toBe(200);
  const html = await page.text();
  expect(html).toContain('<base href="/jobs/board/"');
  const script = /src="\/?(static\/[^"]+\.js)"/.exec(html)?.[1];
  expect((await ask(`/${script}`, `Bearer ${mintOperatorToken()}`)).status).toBe(200);
});

it('shows every queue, and removes a failed job', async () => {
  const auth = basic(mintOperatorToken());
  const queue = new Queue('deliveries', {
    connection: { host: redis.host, port: redis.port },
    prefix: '{belfry:jobs}',
  });
  try {
    const job = await queue.add('deliver', {}, { jobId: 'one', delay: 3_600_000 });
    const { queues } = (await (await ask('/api/queues', auth)).json()) as {
      queues: { name: string; counts: unknown }[];
    };
    expect(queues.map(({ name }) => name).sort()).toEqual(['deliveries', 'digests', 'sources']);
    expect(queues.find(({ name }) => name === 'deliveries')?.counts).toMatchObject({ delayed: 1 });
    const path = `/api/queues/deliveries/${job.id}/clean`;
    const foreign: Record<string, string>[] = [
      { 'sec-fetch-site': 'cross-site' },
      { origin: 'http://elsewhere.example' },
      { origin: 'null' },
      { origin: publisher.operatorUrl, 'sec-fetch-site': 'same-site' },
    ];
    for (const headers of foreign) expect((await ask(path, auth, { method: 'PUT', headers })).status).toBe(403);
    const headers = { origin: publisher.operatorUrl };
    expect((await ask(path, auth, { method: 'PUT', headers })).status).toBeLessThan(300);
    expect(await queue.getJob('one')).toBeUndefined();
    await publisher.logged(({ audit, call }) => audit === true && String(call).endsWith('/one/clean'));
  } finally {
    await queue.close();
  }
});

it('says when to ask for the queues again where Redis answers the check of the token, and not what is asked then', async () => {
  const admin = redis.connect();
  const authorization = `Bearer ${mintOperatorToken()}`;
  const jobs = () => fetch(`${publisher.operatorUrl}/jobs`, { headers: { authorization } });
  expect((await jobs()).status).toBe(200);
  // The check reads, and a queue is asked by a script: only what may write waits.
  await admin.client('PAUSE', 20_000, 'WRITE');
  try {
    const answer = await jobs();
    expect([answer.status, answer.headers.get('retry-after')]).toEqual([503, '1']);
  } finally {
    await admin.client('UNPAUSE');
  }
  await eventually('the queues', async () => (await jobs()).status === 200);
});
