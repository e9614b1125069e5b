// @ts-check
/** Serves the built dashboard in `npm start`. In production any static file server does this. */
import { createReadStream, existsSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { extname, join, normalize } from 'node:path';

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
 * @param {string} folder
 * @param {{ host: string, port: number }} address
 * @returns {Promise<{ close(): void }>}
 */
export function serveDashboard(folder, { host, port }) {
  const server = createServer((request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return void response.writeHead(405).end();
    const file = fileFor(folder, request.url ?? '/');
    const type = CONTENT_TYPES[extname(file)] ?? 'application/octet-stream';
    response.writeHead(200, { 'content-type': type, 'cache-control': 'no-cache' });
    if (request.method === 'HEAD') return void response.end();
    createReadStream(file)
      .on('error', () => response.destroy())
      .pipe(response);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      resolve({
        close() {
          server.close();
          server.closeAllConnections();
        },
      });
    });
  });
}
