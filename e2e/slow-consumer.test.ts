/** A client that does not read is cut off; its neighbours do not notice, and it recovers what it missed. */
import { connect as openSocket } from 'node:net';
import {
  connect,
  deferred,
  eventually,
  type Frame,
  mintToken,
  openTestLog,
  startGateway,
  startRedis,
  type TestGateway,
  type TestLog,
  type TestRedis,
  within,
} from '@belfry/testkit';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { openWire } from './chaos/clients/wire.js';

let redis: TestRedis;
let gateway: TestGateway;
let log: TestLog;
const token = mintToken({ user_id: 'manager', role: 'ADMIN' });

beforeAll(async () => {
  redis = await startRedis({ args: ['--enable-debug-command', 'yes'] });
  log = openTestLog(redis.url, { maxEvents: 2_000 });
  gateway = await startGateway({
    REDIS_URL: redis.url,
    MAX_BACKPRESSURE_BYTES: '65536',
    LOG_MAX_EVENTS: '2000',
    MAX_CONNECTIONS_PER_USER: '100',
  });
});
afterAll(async () => {
  log?.close();
  await gateway?.stop();
  await redis?.stop();
});

/**
 * A client that reads nothing of its replay, which has stopped for it. Kernels may take all of a replay by themselves (up to
 * the most that tcp_rmem allows): then another client tries.
 */
async function stoppedReplay(property: string, after: string, last: string) {
  for (;;) {
    const client = await connect(gateway.wsUrl, { token });
    await client.next('AUTHENTICATED');
    client.socket.pause();
    client.send({ type: 'SUBSCRIBE', property_id: property, after });
    let stopped = false;
    await eventually('a replay that has begun', async () => {
      const { connections } = (await (await gateway.operate('/ws/connections?user=manager')).json()) as {
        connections: { buffered_bytes: number; subscriptions: Record<string, string> }[];
      };
      stopped = connections.some((connection) => connection.buffered_bytes > 0);
      return stopped || connections.some(({ subscriptions }) => subscriptions[`property:${property}`] === last);
    });
    if (stopped) return client;
    client.socket.terminate();
    await client.closed;
  }
}

async function subscriber(after?: string) {
  const client = await connect(gateway.wsUrl, { token });
  client.send({ type: 'SUBSCRIBE', property_id: 'hot', ...(after ? { after } : {}) });
  await client.next('SUBSCRIBED');
  return client;
}

it('cuts off who does not read within the byte budget, and nobody else', async () => {
  const slow = await subscriber();
  const quick = await subscriber();
  slow.socket.pause();
  // The kernel takes some 4 MB before uWebSockets.js sees that anybody is slow.
  const text = 'x'.repeat(8_000);
  const positions: string[] = [];
  for (let batch = 0; batch < 100; batch += 1) {
    const bodies = Array.from({ length: 10 }, (_, n) => ({ n: batch * 10 + n, text }));
    positions.push(...(await log.append('property:hot', bodies)));
  }
  const events = await quick.take(positions.length, 'VIOLATION_UPDATE');
  expect(events.map(({ id }) => id)).toEqual(positions);
  const closes = async () =>
    (await (await fetch(`${gateway.operatorUrl}/metrics`)).text()).match(
      /websocket_closes_total\{code="4201"\} (\d+)/,
    )?.[1];
  await vi.waitFor(async () => expect(await closes()).toBe('1'), { timeout: 20_000 });
  slow.socket.resume();
  await slow.closed;
  // What it got is a prefix without a hole.
  const got = slow.received.filter(({ type }) => type === 'VIOLATION_UPDATE').map(({ id }) => id);
  expect(got).toEqual(positions.slice(0, got.length));
  expect(got.length).toBeLessThan(positions.length);
  await quick.close();
});

/** Reads as fast as it can, and keeps the offsets of the events it gets. Resolves when it follows the channel. */
function eagerReader(): Promise<{ readonly offsets: readonly number[]; readonly closed: Promise<number> }> {
  const offsets: number[] = [];
  const closed = deferred<number>();
  return new Promise((resolve) => {
    const wire = openWire(
      { port: gateway.port, token },
      {
        open: () => wire.send('{"type":"SUBSCRIBE","property_id":"hot"}'),
        text(bytes, start) {
          const head = bytes.toString('latin1', start, start + 40);
          const offset = /^\{"id":"\d+-(\d+)"/.exec(head)?.[1];
          if (offset !== undefined) offsets.push(Number(offset));
          else if (head.startsWith('{"type":"SUBSCRIBED"')) resolve({ offsets, closed: closed.promise });
        },
        end: closed.resolve,
      },
    );
  });
}

it('sends nothing behind a hole: who still reads while it is cut off gets a beginning of what was sent, no more', async () => {
  const readers = await Promise.all(Array.from({ length: 80 }, eagerReader));
  const text = 'x'.repeat(14_000);
  // The gateway gets hundreds of these at a time and passes them on in one turn, far more than anybody can take.
  const bodies = Array.from({ length: 600 }, (_, n) => ({ n, text }));
  for (let burst = 0; burst < 4; burst += 1) await log.append('property:hot', bodies);
  for (const { closed } of readers) await within(closed, 'close', { deadlineMs: 20_000 });
  for (const { offsets } of readers) {
    const [first = 0] = offsets;
    expect(offsets).toEqual(offsets.map((_, n) => first + n));
  }
}, 60_000);

it('replays a history far longer than what may wait for a client to one that reads slowly, whole and in order', async () => {
  const text = 'x'.repeat(14_000);
  const [first = ''] = await log.append('property:long', [{ n: 0 }]);
  const ids: string[] = [];
  for (let batch = 0; batch < 9; batch += 1) {
    ids.push(
      ...(await log.append(
        'property:long',
        Array.from({ length: 100 }, (_, n) => ({ n, text })),
      )),
    );
  }
  const client = await stoppedReplay('long', first, ids.at(-1) ?? '');
  // What is published meanwhile comes behind it.
  ids.push(...(await log.append('property:long', [{ n: 'meanwhile' }])));
  client.socket.resume();
  expect((await client.take(ids.length, 'VIOLATION_UPDATE', { deadlineMs: 20_000 })).map(({ id }) => id)).toEqual(ids);
  ids.push(...(await log.append('property:long', [{ n: 'live' }])));
  expect((await client.next('VIOLATION_UPDATE', ({ n }) => n === 'live')).id).toBe(ids.at(-1));
  await client.settled();
  expect(client.pending('VIOLATION_UPDATE')).toEqual([]);
  await client.close();
}, 60_000);

describe('while a client that reads slowly is replayed to', () => {
  async function slowReplay(property: string) {
    const channel = `property:${property}`;
    const text = 'x'.repeat(14_000);
    const ids: string[] = [];
    for (let batch = 0; batch < 10; batch += 1) {
      ids.push(
        ...(await log.append(
          channel,
          Array.from({ length: 100 }, (_, n) => ({ n, text })),
          'HPD',
        )),
      );
    }
    const client = await stoppedReplay(property, ids[0] ?? '', ids.at(-1) ?? '');
    return { channel, client, ids };
  }
  const own = (property: string) => (frame: Frame) => frame.channel === `property:${property}`;

  it('an epoch begins: it goes on over it, and is told of nothing', async () => {
    const { channel, client, ids } = await slowReplay('epoch');
    await redis.connect().call('DEBUG', 'CHANGE-REPL-ID');
    ids.push(...(await log.append(channel, [{ n: 1 }, { n: 2 }])));
    expect(ids.at(-1)?.split('-')[0]).not.toBe(ids[0]?.split('-')[0]);
    client.socket.resume();
    const got = await client.take(ids.length - 1, 'VIOLATION_UPDATE', { deadlineMs: 20_000 });
    expect(got.map(({ id }) => id)).toEqual(ids.slice(1));
    expect(client.pending('RESYNC')).toEqual([]);
    await client.close();
  }, 60_000);

  it('what it has yet to get is trimmed: it gets a beginning without a hole, is told, and goes on behind the state', async () => {
    const { channel, client, ids } = await slowReplay('trimmed');
    for (let batch = 0; batch < 21; batch += 1) {
      ids.push(
        ...(await log.append(
          channel,
          Array.from({ length: 100 }, (_, n) => ({ n })),
          'HPD',
        )),
      );
    }
    client.socket.resume();
    const { id: resynced } = await client.next('RESYNC', own('trimmed'), { deadlineMs: 20_000 });
    const state = await client.next('STATE', own('trimmed'));
    expect([resynced, state.id]).toEqual([ids.at(-1), ids.at(-1)]);
    const before = client.received.slice(
      0,
      client.received.findIndex(({ type }) => type === 'RESYNC'),
    );
    const got = before.filter(({ type }) => type === 'VIOLATION_UPDATE').map(({ id }) => id);
    expect(got.length).toBeGreaterThan(100);
    expect(got).toEqual(ids.slice(1, 1 + got.length));
    const [after] = await log.append(channel, [{ n: 'after' }]);
    expect((await client.next('VIOLATION_UPDATE', ({ n }) => n === 'after')).id).toBe(after);
    await client.close();
  }, 60_000);

  it('a narrower token comes: nothing more of it is sent', async () => {
    const { channel, client, ids } = await slowReplay('narrowed');
    client.send({ type: 'AUTHENTICATE', token: mintToken({ user_id: 'manager', role: 'LANDLORD', properties: [] }) });
    await log.append(channel, [{ n: 'secret' }]);
    client.socket.resume();
    await client.next('UNSUBSCRIBED', own('narrowed'), { deadlineMs: 20_000 });
    const at = client.received.findIndex(({ type }) => type === 'UNSUBSCRIBED');
    await log.append(channel, [{ n: 'secret' }]);
    await client.settled();
    const events = client.received.filter(own('narrowed')).filter(({ type }) => type === 'VIOLATION_UPDATE');
    expect(events.length).toBeLessThan(ids.length - 1);
    expect(events.every((event) => client.received.indexOf(event) < at)).toBe(true);
    expect(events.some(({ n }) => n === 'secret')).toBe(false);
    await client.close();
  }, 60_000);
});

it('an event stream that was slow for a moment goes on as soon as it is read, not with the next event', async () => {
  const socket = openSocket(gateway.port, '127.0.0.1');
  try {
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk;
    });
    const head = ['GET /v1/stream?channel=property:stream HTTP/1.1', 'host: gateway', `authorization: Bearer ${token}`];
    socket.write(`${head.join('\r\n')}\r\n\r\n`);
    await eventually('stream', () => text.includes('SUBSCRIBED'));
    socket.pause();
    const isBuffered = async () => {
      const answer = await (await gateway.operate('/ws/connections?channel=property:stream')).text();
      return /"buffered_bytes":[1-9]/.test(answer);
    };
    let sent = 0;
    while (!(await isBuffered())) {
      sent += 1;
      await log.append('property:stream', [{ n: sent, fill: 'x'.repeat(14_000) }]);
    }
    socket.resume();
    const deadlineMs = 4_000;
    await eventually('the last event', () => text.includes(`"n":${sent},`), { deadlineMs });
    await eventually('nothing waiting', async () => !(await isBuffered()), { deadlineMs });
  } finally {
    socket.destroy();
  }
}, 60_000);
