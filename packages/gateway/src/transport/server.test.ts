/** On a real socket, what is sent and what is published arrive in the order in which they were, whoever gathered what. */
import { once } from 'node:events';
import { CLOSE_CODES } from '@belfry/shared/protocol';
import { createBudgets, createLogger, systemClock } from '@belfry/shared/service';
import { afterEach, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import type { Session } from '../session/session.js';
import type { Socket } from '../session/socket.js';
import { createTransport, type Transport, type TransportOptions } from './server.js';
import { createWaitingRoom } from './waiting-room.js';

let transport: Transport | undefined;
afterEach(() => transport?.close());

/** Listens, for clients that say nothing: what belongs to sessions and to HTTP is not asked for. */
async function listening(more: Partial<TransportOptions>) {
  const budgets = createBudgets({ burst: 1_000, windowMs: 1_000 }, () => performance.now());
  const options: Partial<TransportOptions> = {
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    maxConnections: 10,
    maxConnectionsPerAddress: 10,
    requestsOfAddress: budgets,
    admitUnauthenticated: () => 'yes',
    waitingRoom: createWaitingRoom({ clock: systemClock, steadyMs: () => performance.now(), placesPerSecond: 10 }),
    allowedOrigins: [],
    trustedProxies: [],
    authenticationCookie: '',
    maxMessageBytes: 1_024,
    maxBackpressureBytes: 65_536,
    logger: createLogger('test', 'silent'),
    onClose: () => undefined,
    ...more,
  };
  const server = createTransport(options as TransportOptions);
  transport = server;
  return { server, url: `ws://127.0.0.1:${await server.listen()}/ws` };
}

/** A client that is connected, its socket on the server's side, and what arrives at it. */
async function connected() {
  let opened = (_: Socket): void => undefined;
  const socketOpened = new Promise<Socket>((resolve) => {
    opened = resolve;
  });
  const { server, url } = await listening({
    onOpen(socket) {
      opened(socket);
      return {} as Session;
    },
  });
  const client = new WebSocket(`${url}?token=t`);
  const got: string[] = [];
  const complete = new Promise<string[]>((resolve, reject) => {
    client.on('message', (frame) => got.push(String(frame)) && String(frame) === 'end' && resolve(got));
    client.once('error', reject);
    client.on('close', () => resolve(got));
  });
  const socket = await socketOpened;
  await once(client, 'open');
  return { server, socket, complete };
}

it('nothing that is published overtakes what was sent in the same turn', async () => {
  const { complete, server, socket } = await connected();
  socket.follow('property:1');
  socket.send('subscribed');
  server.publish('property:1', 'event');
  socket.send('state');
  socket.together(() => socket.send('together'));
  socket.send('end');
  expect(await complete).toEqual(['subscribed', 'event', 'state', 'together', 'end']);
});

it('what was sent arrives before the connection ends', async () => {
  const { complete, socket } = await connected();
  socket.send('first');
  socket.send('end');
  socket.end(CLOSE_CODES.maximumAge);
  expect(await complete).toEqual(['first', 'end']);
});

it('a connection that is cut off takes along what was sent in the same turn, and nothing else', async () => {
  const { complete, socket } = await connected();
  socket.send('never');
  socket.destroy();
  expect(await complete).toEqual([]);
});

it('who waited for his upgrade stays, whatever memory his session takes in its first moment', async () => {
  const kept: Buffer[] = [];
  const { url } = await listening({
    // Everybody waits, until the next turn.
    waitingRoom: {
      ...createWaitingRoom({ clock: systemClock, steadyMs: () => performance.now(), placesPerSecond: 10 }),
      isOpenTo: () => false,
      wait(response, _, { enter }) {
        response.onAborted(() => undefined);
        setImmediate(enter);
        return true;
      },
    },
    onOpen(socket) {
      // Of every small size, and read as flags each byte would say that the connection ends with the request.
      for (let bytes = 16; bytes < 800; bytes += 16) kept.push(Buffer.allocUnsafeSlow(bytes).fill(0x10));
      if (kept.length > 5_000) kept.length = 0;
      socket.send('welcome');
      return { receive: () => socket.send('still here') } as Partial<Session> as Session;
    },
  });
  for (let n = 0; n < 300; n += 1) {
    const client = new WebSocket(url);
    await once(client, 'message');
    const answered = once(client, 'message');
    client.send('there?');
    const cut = once(client, 'close').then(() => 'cut');
    expect(await Promise.race([answered.then(([frame]) => String(frame)), cut])).toBe('still here');
    client.close();
    await cut;
  }
});

it('whoever comes behind an upgrade that failed is served', async () => {
  let enterLate = (): void => undefined;
  let left = (): void => undefined;
  const gone = new Promise<void>((resolve) => {
    left = resolve;
  });
  const waitingRoom = {
    ...createWaitingRoom({ clock: systemClock, steadyMs: () => performance.now(), placesPerSecond: 10 }),
    isOpenTo: () => false,
  };
  const waits = new Promise<void>((resolve) => {
    waitingRoom.wait = (response, _, { enter }) => {
      response.onAborted(left);
      enterLate = enter;
      resolve();
      return true;
    };
  });
  const { url } = await listening({
    waitingRoom,
    onOpen(socket) {
      socket.send('welcome');
      return {} as Session;
    },
  });
  const late = new WebSocket(url);
  late.on('error', () => undefined);
  await waits;
  late.terminate();
  await gone;
  expect(enterLate).toThrow();
  const next = new WebSocket(`${url}?token=t`);
  expect(String((await once(next, 'message'))[0])).toBe('welcome');
  next.terminate();
});
