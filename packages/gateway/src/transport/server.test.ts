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

/** A client that is connected, its socket on the server's side, and what arrives at it. */
async function connected() {
  const budgets = createBudgets({ burst: 1_000, windowMs: 1_000 }, () => performance.now());
  let opened = (_: Socket): void => undefined;
  const socketOpened = new Promise<Socket>((resolve) => {
    opened = resolve;
  });
  // Nobody says anything to it: what belongs to sessions and to HTTP is not asked for.
  const options: Partial<TransportOptions> = {
    host: '127.0.0.1',
    port: 0,
    tls: undefined,
    maxConnections: 10,
    maxConnectionsPerAddress: 10,
    requestsOfAddress: budgets,
    waitingRoom: createWaitingRoom({ clock: systemClock, steadyMs: () => performance.now(), placesPerSecond: 10 }),
    allowedOrigins: [],
    trustedProxies: [],
    authenticationCookie: '',
    maxMessageBytes: 1_024,
    maxBackpressureBytes: 65_536,
    logger: createLogger('test', 'silent'),
    onOpen(socket) {
      opened(socket);
      return {} as Session;
    },
    onClose: () => undefined,
  };
  const server = createTransport(options as TransportOptions);
  transport = server;
  const port = await server.listen();
  const client = new WebSocket(`ws://127.0.0.1:${port}/ws?token=t`);
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
