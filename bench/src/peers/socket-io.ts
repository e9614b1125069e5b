/** Socket.IO as its documentation sets it up, with the adapter that `ADAPTER` names: `pubsub` or `streams`. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { createAdapter } from '@socket.io/redis-adapter';
import { createAdapter as createStreamsAdapter } from '@socket.io/redis-streams-adapter';
import { Redis } from 'ioredis';
import { Server } from 'socket.io';
import { announce } from './subscriptions.js';
import { verifyToken } from './token.js';

const redis = new Redis(process.env.REDIS_URL ?? '');
const streams = process.env.ADAPTER === 'streams';
const http = createServer();
const io = new Server(http, {
  transports: ['websocket'],
  adapter: streams ? createStreamsAdapter(redis) : createAdapter(redis, redis.duplicate()),
  ...(streams ? { connectionStateRecovery: { maxDisconnectionDuration: 120_000 } } : {}),
});

io.use((socket, next) => {
  next(verifyToken(String(socket.handshake.auth.token)) ? undefined : new Error('bad token'));
});
io.on('connection', (socket) => {
  socket.on('subscribe', async (channels: string[], answered: (joined: number) => void) => {
    await socket.join(channels);
    answered(channels.length);
  });
});
http.listen(0, '127.0.0.1', 511, () => announce((http.address() as AddressInfo).port));
