/**
 * A flood of connections that never say who they are, from however many addresses: they wait for each other, and nobody
 * else for them.
 */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import {
  connect,
  eventually,
  mintToken,
  ownFolder,
  startGateway,
  startRedis,
  type TestClient,
  type TestGateway,
  type TestRedis,
  type UpgradeRefused,
  within,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { makeCertificates } from './certificates.js';
import { frame, open, type Raw, TEXT, upgradeRequest } from './raw.js';

let redis: TestRedis;
let gateway: TestGateway;
const clients: TestClient[] = [];
const raws: Raw[] = [];
const folder = ownFolder('strangers');
const tls = makeCertificates(folder.path);

beforeAll(async () => {
  redis = await startRedis();
});
beforeEach(async () => {
  // Five at first, and then one a second.
  gateway = await startGateway({ REDIS_URL: redis.url, UNAUTHENTICATED_PER_SECOND: '1' });
});
afterEach(async () => {
  for (const client of clients.splice(0)) client.socket.terminate();
  for (const raw of raws.splice(0)) raw.destroy();
  await gateway?.stop();
});
afterAll(async () => {
  await redis?.stop();
  await folder.remove();
});

async function from(address: string, token?: string) {
  const client = await connect(gateway.wsUrl, { localAddress: address, ...(token ? { token } : {}) });
  clients.push(client);
  return client;
}
/** One is cut off. */
async function useUpAllPlaces() {
  const { socket, closed } = await from('127.0.4.1');
  for (let n = 0; n < 4; n += 1) socket.send(Buffer.from('no text'));
  await closed;
}

async function waiting() {
  const metrics = await (await fetch(`${gateway.operatorUrl}/metrics`)).text();
  return Number(/^belfry_upgrades_waiting (\d+)/m.exec(metrics)?.[1]);
}

const somebodyWaits = () => eventually('somebody waiting', async () => (await waiting()) === 1);

describe('when strangers have used up all places', () => {
  it('one more waits for the next; who brings a token does not wait', async () => {
    await useUpAllPlaces();
    const came: string[] = [];
    const late = from('127.0.5.1').then((client) => {
      came.push('late');
      return client;
    });
    await somebodyWaits();
    const known = await from('127.0.5.2', mintToken({ user_id: 'landlord-7' }));
    await known.next('AUTHENTICATED');
    came.push('known');
    const client = await late;
    client.send({ type: 'AUTHENTICATE', token: mintToken({ user_id: 'landlord-7' }) });
    await client.next('AUTHENTICATED');
    expect(came).toEqual(['known', 'late']);
    expect(await waiting()).toBe(0);
  });

  it('nobody waits from where somebody has said who he is before', async () => {
    const before = await from('127.0.6.1');
    before.send({ type: 'AUTHENTICATE', token: mintToken({ user_id: 'landlord-7' }) });
    await before.next('AUTHENTICATED');
    await useUpAllPlaces();
    const came: string[] = [];
    const late = from('127.0.5.1').then(() => came.push('late'));
    await somebodyWaits();
    await from('127.0.6.1').then(() => came.push('known'));
    await late;
    expect(came).toEqual(['known', 'late']);
  });

  it('who waits in vain is told to come later', async () => {
    await useUpAllPlaces();
    const late = await Promise.allSettled(Array.from({ length: 6 }, (_, n) => from(`127.0.5.${1 + n}`)));
    const refused = late.flatMap((outcome) =>
      outcome.status === 'rejected' ? [outcome.reason as UpgradeRefused] : [],
    );
    expect(refused.length).toBeGreaterThanOrEqual(3);
    for (const { status } of refused) expect(status).toBe(503);
    const metrics = await (await fetch(`${gateway.operatorUrl}/metrics`)).text();
    expect(metrics).toContain(`websocket_connections_total{status="refused_unauthenticated"} ${refused.length}`);
  });

  it('what is sent behind a request that waits is read once it is in', async () => {
    await useUpAllPlaces();
    const raw = await open(gateway.port, '127.0.5.1');
    raws.push(raw);
    raw.write(upgradeRequest());
    await somebodyWaits();
    raw.write(frame({ opcode: TEXT, payload: '{"type":"PING","ref":"early"}' }));
    await raw.until(/"PONG","ref":"early"/);
  });

  it('frames that come with the request, before it could be answered, end the connection', async () => {
    await useUpAllPlaces();
    const eager = await open(gateway.port, '127.0.5.2');
    raws.push(eager);
    eager.write(Buffer.concat([Buffer.from(upgradeRequest()), frame({ opcode: TEXT, payload: '{"type":"PING"}' })]));
    await within(eager.closed, 'close');
    expect(eager.text()).not.toContain('WELCOME');
  });

  it('who goes while he waits is forgotten', async () => {
    await useUpAllPlaces();
    const raw = await open(gateway.port, '127.0.5.1');
    raw.write(upgradeRequest());
    await somebodyWaits();
    raw.socket.resetAndDestroy();
    await eventually('nobody waiting', async () => (await waiting()) === 0);
    await from('127.0.5.2');
  });
});

it('clients that authenticate use none up, however many come', async () => {
  const token = mintToken({ user_id: 'landlord-7' });
  for (let n = 0; n < 20; n += 1) {
    const client = await from('127.0.5.1');
    client.send({ type: 'AUTHENTICATE', token });
    await client.next('AUTHENTICATED');
  }
  const silent = await Promise.all(Array.from({ length: 20 }, () => from('127.0.5.1')));
  expect(silent).toHaveLength(20);
});

it('with TLS one more waits, and comes in, all the same', async () => {
  await gateway.stop();
  gateway = await startGateway({
    REDIS_URL: redis.url,
    UNAUTHENTICATED_PER_SECOND: '1',
    TLS_CERT_FILE: tls.cert,
    TLS_KEY_FILE: tls.key,
  });
  const connectTls = () => new WebSocket(`wss://127.0.0.1:${gateway.port}/ws`, { ca: readFileSync(tls.ca) });
  const first = connectTls();
  await once(first, 'open');
  for (let n = 0; n < 4; n += 1) first.send(Buffer.from('no text'));
  await once(first, 'close');
  const late = connectTls();
  const welcomed = once(late, 'message');
  await somebodyWaits();
  expect(String((await welcomed)[0])).toContain('WELCOME');
  late.terminate();
});
