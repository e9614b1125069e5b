/** The canary finds what clients would suffer, and nothing else: silence, disorder, delays; not breaks that it was told of. */

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import {
  freePort,
  startGateway,
  startProcess,
  startPublisher,
  startRedis,
  TEST_SECRET,
  type TestProcess,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';

const SCRIPT = fileURLToPath(new URL('../deploy/canary/dist/main.js', import.meta.url));
const CHANNEL = 'user:belfry-canary';
const SOON = { timeout: 30_000, interval: 50 };
const INTERVAL_MS = 20;
/** Long enough for a busy machine to deliver, and for what was lost with Redis to be told. */
const PATIENCE_MS = 4_000;

let redis: TestRedis;
let publisher: TestProcess;
const started: TestProcess[] = [];

beforeAll(async () => {
  redis = await startRedis();
  publisher = await startPublisher({ REDIS_URL: redis.url });
});
afterEach(async () => {
  await Promise.all(started.splice(0).map((process) => process.stop()));
});
afterAll(async () => {
  await publisher?.stop();
  await redis?.stop();
});

async function startCanary(gatewayUrl: string, lostAfterMs = 500): Promise<TestProcess> {
  const canary = await startProcess(SCRIPT, {
    OPERATOR_HOST: '127.0.0.1',
    OPERATOR_PORT: '0',
    GATEWAY_URL: gatewayUrl,
    PUBLISHER_URL: publisher.url,
    JWT_SECRET: TEST_SECRET,
    INTERVAL_MS: `${INTERVAL_MS}`,
    LOST_AFTER_MS: `${lostAfterMs}`,
  });
  started.push(canary);
  return canary;
}

/** The value of one series; 0 where there is none. */
async function metric(process: TestProcess, series: string): Promise<number> {
  const text = await (await fetch(`${process.operatorUrl}/metrics`)).text();
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${series} `));
  return Number(line?.slice(series.length + 1) ?? 0);
}
const deliveries = (process: TestProcess, outcome: string) =>
  metric(process, `belfry_canary_deliveries_total{outcome="${outcome}"}`);
const disorders = (process: TestProcess, kind: string) =>
  metric(process, `belfry_canary_disorders_total{kind="${kind}"}`);

describe('the canary', () => {
  it('gets every event that it publishes, and gets over a restart of its gateway and of Redis without an alarm', async () => {
    // Named from the start: a port that the system chose stays taken for a minute after its holder was killed.
    const env = { REDIS_URL: redis.url, WEBSOCKET_PORT: String(await freePort()) };
    const gateway = await startGateway(env);
    const canary = await startCanary(gateway.wsUrl, PATIENCE_MS);
    await vi.waitFor(async () => expect(await deliveries(canary, 'live')).toBeGreaterThan(20), SOON);
    expect(await metric(canary, 'belfry_canary_listeners')).toBe(1);

    await gateway.kill();
    const second = await startGateway(env);
    started.push(second);
    const before = await deliveries(canary, 'live');
    await vi.waitFor(async () => expect(await deliveries(canary, 'live')).toBeGreaterThan(before + 20), SOON);

    await redis.restart({ keepData: false });
    const accepted = 'belfry_canary_publishes_total{outcome="accepted"}';
    const acceptedBefore = await metric(canary, accepted);
    const liveBefore = await deliveries(canary, 'live');
    await vi.waitFor(async () => expect(await metric(canary, accepted)).toBeGreaterThan(acceptedBefore + 20), SOON);
    await vi.waitFor(async () => expect(await deliveries(canary, 'live')).toBeGreaterThan(liveBefore + 20), SOON);
    // By then it has given up what it was still waiting for when it got these.
    const judged = (await metric(canary, accepted)) + (1.25 * PATIENCE_MS) / INTERVAL_MS;
    await vi.waitFor(async () => expect(await metric(canary, accepted)).toBeGreaterThan(judged), SOON);

    expect(await deliveries(canary, 'lost')).toBe(0);
    expect(await disorders(canary, 'gap')).toBe(0);
    expect(await disorders(canary, 'repeat')).toBe(0);
    expect(canary.output()).not.toContain(TEST_SECRET);
  }, 180_000);

  describe('at a gateway that breaks its promise', () => {
    let server: WebSocketServer;
    afterEach(() => {
      for (const client of server.clients) client.terminate();
      server.close();
    });

    /** Speaks just enough of the wire to be believed; `after` runs once the canary is subscribed. */
    async function startLiar(after: (socket: WebSocket) => void): Promise<string> {
      server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
      await once(server, 'listening');
      server.on('connection', (socket) => {
        const send = (frame: Readonly<Record<string, unknown>>) => socket.send(JSON.stringify(frame));
        send({ type: 'AUTHENTICATED', user_id: 'belfry-canary' });
        socket.on('message', () => {
          send({ type: 'SUBSCRIBED', channel: CHANNEL, id: '1-5' });
          after(socket);
        });
      });
      return `ws://127.0.0.1:${(server.address() as AddressInfo).port}/ws`;
    }

    it('says that events are lost when they do not come and nobody says so', async () => {
      const canary = await startCanary(await startLiar(() => undefined));
      await vi.waitFor(async () => expect(await deliveries(canary, 'lost')).toBeGreaterThan(0), SOON);
      expect(await deliveries(canary, 'live')).toBe(0);
    });

    it('sees a hole and a repetition in the positions', async () => {
      const url = await startLiar((socket) => {
        for (const id of ['1-6', '1-8', '1-8']) {
          socket.send(JSON.stringify({ type: 'canary', channel: CHANNEL, id, nonce: 'not mine' }));
        }
      });
      const canary = await startCanary(url);
      await vi.waitFor(async () => expect(await disorders(canary, 'repeat')).toBe(1), SOON);
      expect(await disorders(canary, 'gap')).toBe(1);
    });

    it('is misled neither by what is said of other channels nor by a new epoch', async () => {
      const url = await startLiar((socket) => {
        const send = (frame: Readonly<Record<string, unknown>>) => socket.send(JSON.stringify(frame));
        send({ type: 'RESYNC', channel: 'role:ADMIN', id: '9-0' });
        send({ type: 'SUBSCRIBED', channel: 'role:ADMIN', id: '9-0' });
        for (const id of ['1-6', '3-1', '3-2', '3-4'])
          send({ type: 'canary', channel: CHANNEL, id, nonce: 'not mine' });
      });
      const canary = await startCanary(url);
      await vi.waitFor(async () => expect(await disorders(canary, 'gap')).toBeGreaterThan(0), SOON);
      expect(await disorders(canary, 'gap')).toBe(1);
      expect(await disorders(canary, 'repeat')).toBe(0);
    });

    it('counts what it was told of as told, not as lost', async () => {
      const url = await startLiar((socket) => {
        const timer = setInterval(
          () => socket.send(JSON.stringify({ type: 'RESYNC', channel: CHANNEL, id: '2-0' })),
          100,
        );
        socket.once('close', () => clearInterval(timer));
      });
      const lostAfterMs = 2_000;
      const canary = await startCanary(url, lostAfterMs);
      // For so long that the first of them would have been given up.
      const many = (1.25 * lostAfterMs) / INTERVAL_MS;
      await vi.waitFor(async () => expect(await deliveries(canary, 'told')).toBeGreaterThan(many), SOON);
      expect(await deliveries(canary, 'lost')).toBe(0);
    });

    it('counts connections that fail', async () => {
      const url = await startLiar(() => undefined);
      server.removeAllListeners('connection');
      server.on('connection', (socket) => socket.close(4103));
      const canary = await startCanary(url);
      const failed = 'belfry_canary_connects_total{outcome="failed"}';
      await vi.waitFor(async () => expect(await metric(canary, failed)).toBeGreaterThan(0), SOON);
      expect(await metric(canary, 'belfry_canary_listeners')).toBe(0);
    });
  });
});
