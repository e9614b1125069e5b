/**
 * A full gateway is a working one: it stays ready, refuses whoever comes now with a word on when to come back, and takes
 * them as soon as somebody leaves. An unready pod would lose its address, and be the first that scaling down kills.
 */
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { connect, mintToken, startGateway, startRedis, type TestGateway, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';

const LIMIT = 3;
const SOON = { timeout: 30_000, interval: 50 };

let redis: TestRedis;
let gateway: TestGateway;

beforeAll(async () => {
  redis = await startRedis();
  gateway = await startGateway({ REDIS_URL: redis.url, MAX_CONNECTIONS: String(LIMIT) });
});
afterAll(async () => {
  await gateway?.stop();
  await redis?.stop();
});

const join = (id: string) => connect(gateway.wsUrl, { token: mintToken({ user_id: id }) });
const status = async (path: string) => (await fetch(`${gateway.operatorUrl}${path}`)).status;

/** The answer to an upgrade as a proxy sees it, with its headers. */
async function upgrade(): Promise<IncomingMessage> {
  const asked = request(gateway.wsUrl.replace(/^ws/, 'http'), {
    headers: {
      connection: 'Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
      'sec-websocket-key': Buffer.from('sixteen bytes...').toString('base64'),
    },
  });
  asked.end();
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  answer.resume();
  return answer;
}

it('stays ready when its connections are all taken, and refuses upgrades with 503 and Retry-After', async () => {
  const clients = await Promise.all(Array.from({ length: LIMIT }, (_, n) => join(`tenant-${n}`)));
  await Promise.all(clients.map((client) => client.settled()));

  const refused = await upgrade();
  expect(refused.statusCode).toBe(503);
  expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
  expect([await status('/readyz'), await status('/livez')]).toEqual([200, 200]);
  const metrics = await (await fetch(`${gateway.operatorUrl}/metrics`)).text();
  expect(metrics).toMatch(/^websocket_connections_total\{[^}]*status="refused_full"[^}]*\} 1$/m);
  expect(metrics).toMatch(new RegExp(`^websocket_active_connections(\\{[^}]*\\})? ${LIMIT}$`, 'm'));

  // Those that are in do not notice, and a place that becomes free is given away.
  await Promise.all(clients.map((client) => client.settled()));
  await clients[0]?.close();
  await vi.waitFor(async () => await (await join('tenant-late')).settled(), SOON);
}, 60_000);
