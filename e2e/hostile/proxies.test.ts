/**
 * Clients behind a proxy that ends TLS: they come in with `wss`, have the address that the proxy saw, and no other, whatever
 * they say of themselves.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import {
  connect,
  eventually,
  freePort,
  mintToken,
  ownFolder,
  startGateway,
  startRedis,
  type TestGateway,
  type TestRedis,
  within,
} from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { nginx } from '../../deploy/verify/tools.mjs';
import { type OutsideProgram, startOutside } from '../outside-tools.js';
import { type Certificates, makeCertificates } from './certificates.js';
import { addsLine, extendsLine, proxyHeader, type Says, startTlsProxy, type TlsProxy } from './tls-proxy.js';

const PROXY = '127.0.0.9';
const FORGED = { 'x-forwarded-for': `6.6.6.6, ${PROXY}` };
const nginxPath = await nginx();
const folder = ownFolder('proxies');
let certificates: Certificates;
let redis: TestRedis;
let gateway: TestGateway;
const proxies: TlsProxy[] = [];
const sockets: WebSocket[] = [];

beforeAll(async () => {
  certificates = makeCertificates(folder.path);
  redis = await startRedis();
  gateway = await startGateway({
    REDIS_URL: redis.url,
    ACCESS_POLICY: 'authenticated',
    TRUSTED_PROXIES: PROXY,
    MAX_CONNECTIONS_PER_IP: '2',
  });
});
afterAll(async () => {
  for (const socket of sockets) socket.terminate();
  await Promise.all(proxies.map((proxy) => proxy.close()));
  await gateway?.stop();
  await redis?.stop();
  await folder.remove();
});

const ca = () => readFileSync(certificates.ca);
const user = (id: string) => mintToken({ user_id: id, properties: '*' });

async function start(says: Says, from = PROXY): Promise<number> {
  const proxy = await startTlsProxy({ certificates, gatewayPort: gateway.port, from, says });
  proxies.push(proxy);
  return proxy.port;
}

/** Resolves with the first frame, or the status of a refusal. */
function signIn(port: number, id: string, localAddress: string, headers: Record<string, string> = FORGED) {
  const socket = new WebSocket(`wss://127.0.0.1:${port}/ws`, {
    ca: ca(),
    localAddress,
    headers: { authorization: `Bearer ${user(id)}`, ...headers },
  });
  sockets.push(socket);
  return within(
    new Promise<string | number>((resolve, reject) => {
      socket.on('message', (data) => String(data).includes('"AUTHENTICATED"') && resolve('AUTHENTICATED'));
      socket.once('unexpected-response', (_, response) => resolve(response.statusCode ?? 0));
      socket.once('error', reject);
    }),
    'an answer to the upgrade',
  );
}

const addressesOf = async (id: string) => {
  const { connections } = (await (await gateway.operate(`/ws/connections?user=${id}`)).json()) as {
    connections: { address: string }[];
  };
  return connections.map(({ address }) => address);
};

async function leave(): Promise<void> {
  for (const socket of sockets.splice(0)) socket.terminate();
  await eventually('nobody is left', async () => {
    const { connections } = (await (await gateway.operate('/ws/connections')).json()) as {
      connections: unknown[];
    };
    return connections.length === 0;
  });
}

/** What holds behind every proxy that says who the client is. */
async function provesWhoTheClientIs(port: number): Promise<void> {
  expect(await signIn(port, 'forger', '127.0.0.5')).toBe('AUTHENTICATED');
  expect(await addressesOf('forger')).toEqual(['127.0.0.5']);
  expect(await signIn(port, 'forger', '127.0.0.5', { 'x-forwarded-for': '7.7.7.7' })).toBe('AUTHENTICATED');
  // The third of one address, whichever one it claims; another client of the same proxy comes in.
  expect(await signIn(port, 'forger', '127.0.0.5', { 'x-forwarded-for': '8.8.8.8' })).toBe(429);
  expect(await signIn(port, 'neighbour', '127.0.0.6', {})).toBe('AUTHENTICATED');
  expect(await addressesOf('neighbour')).toEqual(['127.0.0.6']);
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const headers = { authorization: `Bearer ${user('neighbour')}`, ...FORGED };
    request(
      `https://127.0.0.1:${port}/v1/state?channel=property:1`,
      { ca: ca(), headers, agent: false },
      (response) => {
        response.resume();
        resolve(response.statusCode);
      },
    )
      .once('error', reject)
      .end();
  });
  expect(status).toBe(200);
  await leave();
}

describe('behind a proxy that ends TLS, clients have their own address and limits', () => {
  it.each([
    ['adds a line of its own to X-Forwarded-For', addsLine],
    ['writes behind what was there, with the port', extendsLine],
  ])('where it %s', async (_, says) => provesWhoTheClientIs(await start(says)));
});

describe('nobody is believed', () => {
  it('a proxy that is not named: its clients share its address', async () => {
    const port = await start(addsLine, '127.0.0.10');
    expect(await signIn(port, 'unknown', '127.0.0.5')).toBe('AUTHENTICATED');
    expect(await addressesOf('unknown')).toEqual(['127.0.0.10']);
    await leave();
  });

  it('a PROXY header, though a trusted proxy sends it: a client could send another behind it', async () => {
    const port = await start(proxyHeader);
    expect(await signIn(port, 'by-header', '127.0.0.5', {})).toBe('AUTHENTICATED');
    expect(await addressesOf('by-header')).toEqual([PROXY]);
    await leave();
  });

  it('a client that comes past the proxy', async () => {
    const client = await connect(gateway.wsUrl, { token: user('past'), localAddress: '127.0.0.7', headers: FORGED });
    await client.next('AUTHENTICATED');
    expect(await addressesOf('past')).toEqual(['127.0.0.7']);
    client.socket.terminate();
    await leave();
  });
});

it('plain text is not spoken where TLS is: no token is read from it', async () => {
  const port = await start(addsLine);
  await expect(connect(`ws://127.0.0.1:${port}/ws`, { token: user('in-the-clear') })).rejects.toThrow();
  expect(await addressesOf('in-the-clear')).toEqual([]);
});

describe.skipIf(!nginxPath)('behind nginx (needs nginx)', () => {
  let server: OutsideProgram;
  let port: number;

  beforeAll(async () => {
    const home = join(folder.path, 'nginx');
    mkdirSync(home);
    port = await freePort();
    const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((each) => `${each}_temp_path ${home};`);
    writeFileSync(
      join(home, 'nginx.conf'),
      `pid ${home}/pid; events {}
      http {
        access_log off; ${temporary.join(' ')}
        server {
          listen 127.0.0.1:${port} ssl;
          ssl_certificate ${certificates.cert}; ssl_certificate_key ${certificates.key};
          location / {
            proxy_pass http://127.0.0.1:${gateway.port}; proxy_bind ${PROXY}; proxy_http_version 1.1;
            proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade;
            proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
          }
        }
      }`,
    );
    const more = 'daemon off; master_process off;';
    server = startOutside(nginxPath ?? '', ['-p', home, '-e', 'stderr', '-c', `${home}/nginx.conf`, '-g', more]);
    await eventually('nginx listens', () =>
      connect(`ws://127.0.0.1:${port}/`).then(
        () => true,
        (error: Error) => /refused with status/.test(error.message),
      ),
    );
  });
  afterAll(() => server?.stop());

  it('clients come in with TLS, and have their own address and limits', () => provesWhoTheClientIs(port));
});
