/** The dashboard's file server hands out its own folder and nothing else. */

import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { fileFor, serveDashboard } from './dashboard.mjs';
import { freePort } from './free-port.mjs';

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

it('answers while there are no pages, as when they are built anew, and goes on when there are', async () => {
  const built = join(parent, 'built');
  const server = await serveDashboard(built, { host: '127.0.0.1', port: 0 });
  const status = async () => (await fetch(`http://127.0.0.1:${server.port}/`)).status;
  expect(await status()).toBe(404);
  mkdirSync(built);
  writeFileSync(join(built, 'index.html'), '');
  expect(await status()).toBe(200);
  server.close();
});

it('sends nothing twice that has not changed: what carries a hash is kept, all else asked for by its tag', async () => {
  const server = await serveDashboard(folder, { host: '127.0.0.1', port: 0 });
  const base = `http://127.0.0.1:${server.port}`;
  for (const [path, caching] of [
    ['/', 'no-cache'],
    ['/assets/app.js', 'public, max-age=31536000, immutable'],
  ]) {
    const { headers } = await fetch(base + path);
    const etag = headers.get('etag') ?? '';
    expect([headers.get('cache-control'), etag], path).toEqual([caching, expect.stringMatching(/^W\/".+"$/)]);
    const again = await fetch(base + path, { headers: { 'if-none-match': etag } });
    expect([again.status, await again.text()], path).toEqual([304, '']);
  }
  const before = (await fetch(base)).headers.get('etag') ?? '';
  writeFileSync(join(folder, 'index.html'), '<title>Another</title>');
  const changed = await fetch(base, { headers: { 'if-none-match': before } });
  expect([changed.status, await changed.text()]).toEqual([200, '<title>Another</title>']);
  server.close();
});

it('tells the page where the gateways are, and only then offers operators’ calls', async () => {
  const gateways = ['ws://127.0.0.1:1/ws'];
  const server = await serveDashboard(folder, { host: '127.0.0.1', port: 0, gateways });
  const base = `http://127.0.0.1:${server.port}`;
  expect(await (await fetch(`${base}/config.json`)).json()).toEqual({ gateways, operators: '', publisher: '' });
  expect((await fetch(`${base}/operators/ws/nodes`, { headers: { authorization: 'Bearer x' } })).status).toBe(404);
  server.close();
});

it('passes operators’ calls on with their token, and nothing else', async () => {
  /** @type {string[]} */
  const seen = [];
  const gateway = createServer((request, response) => {
    seen.push(`${request.method} ${request.url} ${request.headers.authorization} ${request.headers.cookie}`);
    response.writeHead(418, { 'content-type': 'application/json' });
    request.pipe(response);
  });
  await new Promise((resolve) => gateway.listen(0, '127.0.0.1', () => resolve(undefined)));
  const address = /** @type {import('node:net').AddressInfo} */ (gateway.address());
  const operators = `http://127.0.0.1:${address.port}`;
  const server = await serveDashboard(folder, { host: '127.0.0.1', port: 0, gateways: [], operators });
  const call = (/** @type {string} */ path, /** @type {RequestInit} */ init = {}) =>
    fetch(`http://127.0.0.1:${server.port}/operators${path}`, init);
  const headers = { authorization: 'Bearer x', cookie: 'secret=1' };
  const answer = await call('/ws/broadcast?a=1', { method: 'POST', body: '{"message":"hello"}', headers });
  expect([answer.status, await answer.json()]).toEqual([418, { message: 'hello' }]);
  expect(seen).toEqual(['POST /ws/broadcast?a=1 Bearer x undefined']);
  expect((await call('/ws/nodes')).status).toBe(401);
  expect((await call('/metrics', { headers })).status).toBe(404);
  const raw = [
    'GET /operators/ws/../metrics HTTP/1.1',
    'Host: x',
    'Authorization: Bearer x',
    'Connection: close',
    '',
    '',
  ];
  const socket = connect(server.port, '127.0.0.1').end(raw.join('\r\n'));
  const [reply] = await once(socket, 'data');
  expect(String(reply)).toMatch(/^HTTP\/1.1 404/);
  expect(seen).toHaveLength(1);
  gateway.closeAllConnections();
  await new Promise((resolve) => gateway.close(resolve));
  expect((await call('/ws/nodes', { headers })).status).toBe(502);
  server.close();
});
