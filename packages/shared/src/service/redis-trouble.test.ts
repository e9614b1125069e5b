/** A failure is put on Redis only where Redis is the reason: every other one is a fault of ours, and must be seen as one. */
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { startRedis, type TestRedis } from '@belfry/testkit';
import { Redis, type RedisOptions } from 'ioredis';
import { afterAll, beforeAll, expect, it, onTestFinished } from 'vitest';
import { RedisUnavailable, redisTrouble, saysConnectionLost } from './redis-trouble.js';

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** As `connect` of shared/log opens them, with less patience. */
const open = () => redis.connect({ commandTimeout: 300, maxRetriesPerRequest: 1, retryStrategy: () => 50 });
const failing = (action: Promise<unknown>): Promise<unknown> =>
  action.then(
    () => undefined,
    (error: unknown) => error,
  );

it('Redis that is frozen, and Redis that is gone, are away: for a command, a pipeline, and a transaction', async () => {
  const connection = open();
  try {
    await connection.ping();
    const ask = () => [
      connection.get('a'),
      // Resolves also where its commands failed.
      connection
        .pipeline()
        .get('a')
        .exec()
        .then((replies) => Promise.reject(replies?.[0]?.[0])),
      connection.multi().set('a', 1).exec(),
    ];
    redis.freeze();
    const frozen = await Promise.all(ask().map(failing));
    redis.thaw();
    await redis.kill();
    const gone = await Promise.all(ask().map(failing));
    await redis.start();
    for (const error of [...frozen, ...gone]) expect([redisTrouble(error), error]).toEqual(['away', error]);
  } finally {
    connection.disconnect();
  }
});

it('a Redis without room takes no writes, in a transaction too', async () => {
  const [connection, admin] = [open(), redis.connect()];
  try {
    await admin.config('SET', 'maxmemory', '1');
    expect(redisTrouble(await failing(connection.set('a', 1)))).toBe('takes no writes');
    expect(redisTrouble(await failing(connection.multi().set('a', 1).exec()))).toBe('takes no writes');
  } finally {
    await admin.config('SET', 'maxmemory', '0');
    connection.disconnect();
  }
});

it.each([
  'LOADING Redis is loading the dataset in memory',
  'READONLY You can’t write',
  'MASTERDOWN Link',
  'CLUSTERDOWN x',
])('%s passes by itself', (reply) => expect(redisTrouble(new Error(reply))).toBe('away'));

it('what a part of ours found is as its reason is, or away', () => {
  expect(redisTrouble(new RedisUnavailable('no append', { cause: new Error('OOM command not allowed') }))).toBe(
    'takes no writes',
  );
  expect(redisTrouble(new RedisUnavailable('not connected'))).toBe('away');
});

it('a key of another type, a script that is wrong, and a bug are none of it', async () => {
  const connection = open();
  try {
    await connection.set('text', '1');
    const faults = [
      await failing(connection.hget('text', 'a')),
      await failing(connection.eval('return nothing()', 0)),
      await failing(connection.multi().call('NO-SUCH-COMMAND').exec()),
      new TypeError('x is not a function'),
      Object.assign(new Error('aborted'), { code: 'ECONNRESET' }),
      'text',
      undefined,
    ];
    expect(faults.map(redisTrouble)).toEqual(faults.map(() => undefined));
    expect(faults.slice(0, 3)).toEqual([expect.any(Error), expect.any(Error), expect.any(Error)]);
  } finally {
    connection.disconnect();
  }
});

/** What a connection's `error` event brings first. */
async function firstError(options: RedisOptions): Promise<Error> {
  const connection = new Redis({ host: '127.0.0.1', retryStrategy: () => null, ...options });
  const [error] = (await once(connection, 'error')) as [Error];
  connection.disconnect();
  return error;
}

it('connections that are refused, cut off in their TLS handshake, or name no host say that they are lost', async () => {
  const cutting = createServer((socket) => socket.destroy()).listen(0, '127.0.0.1');
  onTestFinished(() => void cutting.close());
  await once(cutting, 'listening');
  const { port } = cutting.address() as AddressInfo;
  const errors = [
    await firstError({ port: 1 }),
    await firstError({ port, tls: {} }),
    await firstError({ host: 'nowhere.invalid' }),
  ];
  for (const error of errors) expect([saysConnectionLost(error), error]).toEqual([true, error]);
});

it('a connection that Redis refuses, and what jobs fail for, is no lost connection', async () => {
  const errors = [
    await firstError({ port: redis.port, password: 'wrong', username: 'nobody' }),
    new Error('READONLY You can’t write against a read only replica.'),
    new Error('could not renew lock for job 7'),
    new Error('Failed to add repeatable job for next iteration: connect ECONNREFUSED 127.0.0.1:6379'),
  ];
  for (const error of errors) expect([saysConnectionLost(error), error]).toEqual([false, error]);
});
