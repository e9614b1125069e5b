/** What the set-up decides before it does anything. */
import jwt from 'jsonwebtoken';
import { expect, it } from 'vitest';
import { checkRedisUrl, startRedis } from './redis.mjs';
import { checkNode } from './setup.mjs';
import { signToken } from './token.mjs';

it.each(['20.19.0', '20.20.2', '22.1.0'])('runs on Node %s', (version) => {
  expect(() => checkNode(version)).not.toThrow();
});

it.each(['18.20.0', '20.18.3', '23.0.0'])('refuses Node %s, for which uWebSockets.js has no binary', (version) => {
  expect(() => checkNode(version)).toThrow(`This is Node ${version}; Belfry needs 20.19 to 22.`);
});

it('names a REDIS_URL that does not answer, without its password', async () => {
  const failure = await checkRedisUrl('redis://belfry:hush@127.0.0.1:1').catch((error) => error.message);
  expect(failure).toMatch(/^REDIS_URL=redis:\/\/127\.0\.0\.1:1 does not answer: .*ECONNREFUSED/);
  await expect(checkRedisUrl('localhost:6379')).rejects.toThrow('REDIS_URL must look like');
});

it.each(['redis+sentinel://127.0.0.1:1/belfry', 'redis+cluster://127.0.0.1:1,127.0.0.1:2'])(
  'says of %s, which services take and `npm start` does not, how to use it',
  async (url) => {
    await expect(checkRedisUrl(url)).rejects.toThrow(
      'start gateways and publishers by themselves: docs/configuration.md',
    );
  },
);

it('says of a REDIS_URL with a wrong password what Redis says, in one sentence', async () => {
  const redis = await startRedis({ args: ['--requirepass', 'hush'] });
  const failure = await checkRedisUrl(redis.url.replace('://', '://belfry:wrong@')).catch((error) => error.message);
  expect(failure).toMatch(/^REDIS_URL=redis:\/\/127\.0\.0\.1:\d+ does not answer: WRONGPASS .*[^.]\.$/);
  await redis.stop();
});

it('signs tokens that others can verify', () => {
  const token = signToken({ user_id: 'admin' }, { secret: 'hush', expiresInSeconds: 60, now: 1_000 });
  const claims = jwt.verify(token, 'hush', { algorithms: ['HS256'], clockTimestamp: 1_030 });
  expect(claims).toEqual({ user_id: 'admin', iat: 1_000, exp: 1_060 });
});
