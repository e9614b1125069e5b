// @ts-check
/**
 * Serves the built dashboard in `npm start`. In production any static file server does this. Tells the page where the
 * gateways are, and passes operators' calls on, so that the operators' port needs to be open to no browser: only those
 * that carry a token, never health or metrics.
 */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { request as ask, createServer } from 'node:http';
import { extname, join, normalize, sep } from 'node:path';

/** @type {Readonly<Record<string, string>>} */
const CONTENT_TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.map': 'application/json',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.woff2': 'font/woff2',
};

/**
 * The file to answer `url` with: a page of a single-page application where there is no such file.
 * @param {string} folder
 * @param {string} url
 */
export function fileFor(folder, url) {
  const page = join(folder, 'index.html');
  if (!URL.canParse(url, 'http://localhost')) return page;
  let path = new URL(url, 'http://localhost').pathname;
  try {
    path = decodeURIComponent(path);
  } catch {
    return page;
  }
  // Rooted before it is normalised, so that no number of `..` leads out of the folder.
  const file = join(folder, normalize(`/${path}`));
  return !file.includes('\0') && existsSync(file) && statSync(file).isFile() ? file : page;
}

/**
 * Another one for whatever is written in the file's place.
 * @param {import('node:fs').Stats} stats
 */
const tagOf = ({ mtimeMs, size }) => `W/"${size.toString(36)}-${Math.round(mtimeMs * 1_000).toString(36)}"`;

/**
 * What the build puts here has a hash of its content in its name: it never changes. All else is asked for anew.
 * @param {string} folder
 * @param {string} file
 */
const cachingOf = (folder, file) =>
  file.startsWith(join(folder, 'assets', sep)) ? 'public, max-age=31536000, immutable' : 'no-cache';

/** Where the operators' calls are on this server. */
const OPERATORS = '/operators';

/**
 * @param {string | undefined} operators
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 */
function passOn(operators, request, response) {
  const { authorization, 'content-type': type } = request.headers;
  const path = (request.url ?? '').slice(OPERATORS.length);
  const target = operators && URL.canParse(operators + path) ? new URL(operators + path) : undefined;
  // Judged after `..` is resolved, for that is what is asked for.
  if (!operators || target?.origin !== new URL(operators).origin || !target.pathname.startsWith('/ws/')) {
    return void response.writeHead(404).end();
  }
  if (!authorization) return void response.writeHead(401).end();
  const headers = { authorization, ...(type ? { 'content-type': type } : {}) };
  const passed = ask(target, { method: request.method ?? 'GET', headers }, (answer) => {
    const { 'content-type': contentType = 'application/json' } = answer.headers;
    response.writeHead(answer.statusCode ?? 502, { 'content-type': contentType, 'cache-control': 'no-store' });
    answer.pipe(response);
  });
  passed.on('error', () => {
    if (response.headersSent) return void response.destroy();
    response.writeHead(502, { 'content-type': 'application/json' });
    response.end('{"code":"unavailable","message":"no gateway answers operators at the moment"}\n');
  });
  response.on('close', () => passed.destroy());
  request.pipe(passed);
}

/**
 * @param {string} folder
 * @param {object} options
 * @param {string} options.host
 * @param {number} options.port
 * @param {readonly string[]} [options.gateways] WebSocket addresses for the page; default: what the build says
 * @param {string} [options.publisher] address of a publisher, as pages reach it; default: portfolios stay in the browser
 * @param {string} [options.operators] base address of the operators' port; default: calls are not passed on
 * @returns {Promise<{ port: number, close(): void }>}
 */
export function serveDashboard(folder, { host, port, gateways, operators, publisher = '' }) {
  const config = gateways && JSON.stringify({ gateways, operators: operators ? OPERATORS : '', publisher });
  const server = createServer((request, response) => {
    const url = request.url ?? '/';
    if (url.startsWith(`${OPERATORS}/`)) return passOn(operators, request, response);
    if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end();
    if (config && url.split('?')[0] === '/config.json') {
      response.writeHead(200, { 'content-type': 'application/json', 'cache-control': 'no-store' });
      return void response.end(config);
    }
    const file = fileFor(folder, url);
    const type = CONTENT_TYPES[extname(file)] ?? 'application/octet-stream';
    // While it is built anew there may be none.
    const stats = statSync(file, { throwIfNoEntry: false });
    if (!stats) return void response.writeHead(404).end();
    const headers = { 'cache-control': cachingOf(folder, file), etag: tagOf(stats) };
    if (request.headers['if-none-match'] === headers.etag) return void response.writeHead(304, headers).end();
    response.writeHead(200, { 'content-type': type, ...headers });
    if (request.method === 'HEAD') return void response.end();
    createReadStream(file)
      .on('error', () => response.destroy())
      .pipe(response);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      const address = server.address();
      resolve({
        port: typeof address === 'object' && address ? address.port : port,
        close() {
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}
