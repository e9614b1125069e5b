/** What the set-up decides before it does anything. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import jwt from 'jsonwebtoken';
import { expect, it, vi } from 'vitest';
import { ownFolder } from './processes.mjs';
import { checkRedisUrl, startRedis } from './redis.mjs';
import { build, checkNode } from './setup.mjs';
import { Interrupted } from './steps.mjs';
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

it('leaves nothing of a build at work that is interrupted', async () => {
  const folder = ownFolder('setup');
  const write = (path, content) => writeFileSync(join(folder.path, path), JSON.stringify(content));
  const task = `require('fs').writeFileSync('pid', String(process.pid)); setInterval(() => {}, 1000)`;
  mkdirSync(join(folder.path, 'part'));
  write('package.json', { name: 'whole', workspaces: ['part'], packageManager: 'npm@11.0.0' });
  write('package-lock.json', { name: 'whole', lockfileVersion: 3, packages: {} });
  write('turbo.json', { tasks: { build: {} } });
  write('part/package.json', { name: 'part', version: '1.0.0', scripts: { build: `node -e "${task}"` } });
  const stop = new AbortController();
  const built = build(stop.signal, folder.path).catch((error) => error);
  const pid = await vi.waitFor(() => Number(readFileSync(join(folder.path, 'part/pid'), 'utf8')), 10_000);
  stop.abort();
  expect(await built).toBeInstanceOf(Interrupted);
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow('ESRCH'), 5_000);
  await folder.remove();
});
