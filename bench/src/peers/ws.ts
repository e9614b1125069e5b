/** `ws` and an ioredis subscriber, with a set of sockets per channel: what most services begin with. */
import type { AddressInfo } from 'node:net';
import { type WebSocket, WebSocketServer } from 'ws';
import { announce, type ClientFrame, followRedis } from './subscriptions.js';
import { verifyToken } from './token.js';

const followers = new Map<string, Set<WebSocket>>();
const follow = followRedis((channel, frame) => {
  // A text frame, as JSON is: one string for all.
  for (const socket of followers.get(channel) ?? []) socket.send(frame, { binary: false });
});

function followersOf(channel: string): Set<WebSocket> {
  const known = followers.get(channel);
  if (known) return known;
  const made = new Set<WebSocket>();
  followers.set(channel, made);
  follow(channel);
  return made;
}

const server = new WebSocketServer({ host: '127.0.0.1', port: 0, path: '/ws', perMessageDeflate: false, backlog: 511 });
server.on('connection', (socket) => {
  let user: string | undefined;
  const joined: string[] = [];
  socket.on('message', (data: Buffer) => {
    const frame = JSON.parse(data.toString('utf8')) as ClientFrame;
    if (frame.type === 'AUTHENTICATE') {
      user = verifyToken(frame.token ?? '');
      socket.send(user ? '{"type":"AUTHENTICATED"}' : '{"type":"ERROR","message":"bad token"}');
    } else if (frame.type === 'SUBSCRIBE' && user) {
      for (const property of frame.property_ids ?? []) {
        const channel = `property:${property}`;
        socket.send(`{"type":"SUBSCRIBED","property_id":"${property}"}`);
        followersOf(channel).add(socket);
        joined.push(channel);
      }
    }
  });
  socket.on('close', () => {
    for (const channel of joined) followers.get(channel)?.delete(socket);
  });
});
server.on('listening', () => announce((server.address() as AddressInfo).port));
