/** The dashboard's file server hands out its own folder and nothing else. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { fileFor, serveDashboard } from './dashboard.mjs';
import { freePort } from './redis.mjs';

const parent = mkdtempSync(join(tmpdir(), 'belfry-dashboard-'));
const folder = join(parent, 'dist');
mkdirSync(join(folder, 'assets'), { recursive: true });
writeFileSync(join(parent, 'secret.txt'), 'secret');
writeFileSync(join(folder, 'index.html'), '<title>Belfry</title>');
writeFileSync(join(folder, 'assets', 'app.js'), 'export {}');
afterAll(() => rmSync(parent, { recursive: true }));

it.each([
  ['/', 'index.html'],
  ['/assets/app.js?v=1', 'assets/app.js'],
  ['/properties/1012650001', 'index.html'],
  ['/assets', 'index.html'],
  ['/../secret.txt', 'index.html'],
  ['/%2e%2e/secret.txt', 'index.html'],
  ['/..%2fsecret.txt', 'index.html'],
  ['/%', 'index.html'],
  ['//', 'index.html'],
  ['/a%00b', 'index.html'],
])('answers %s with %s', (url, file) => {
  expect(fileFor(folder, url)).toBe(join(folder, file));
});

it('serves a file with its type', async () => {
  const port = await freePort();
  const server = await serveDashboard(folder, { host: '127.0.0.1', port });
  const response = await fetch(`http://127.0.0.1:${port}/assets/app.js`);
  expect([response.headers.get('content-type'), await response.text()]).toEqual([
    'text/javascript; charset=utf-8',
    'export {}',
  ]);
  expect((await fetch(`http://127.0.0.1:${port}/`, { method: 'POST' })).status).toBe(405);
  server.close();
});
