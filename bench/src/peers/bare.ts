/**
 * The ceiling: uWebSockets.js and an ioredis subscriber, and nothing else. It takes Belfry's frames and answers as many,
 * without limits, history, positions, recovery, order across reconnects or metrics. With OWN_CHANNELS, everybody who
 * authenticates has a channel besides.
 */
import { App, us_socket_local_port } from 'uWebSockets.js';
import { openOwnChannels } from './own-channels.js';
import { announce, type ClientFrame, followRedis } from './subscriptions.js';
import { verifyToken } from './token.js';

const app = App();
const follow = followRedis((channel, frame) => void app.publish(channel, frame, false));
const openOwn = process.env.OWN_CHANNELS ? openOwnChannels() : undefined;

app.ws<{ user: string | undefined }>('/ws', {
  maxPayloadLength: 16_384,
  maxBackpressure: 262_144,
  idleTimeout: 900,
  sendPingsAutomatically: false,
  upgrade(response, request, context) {
    response.upgrade(
      { user: undefined },
      request.getHeader('sec-websocket-key'),
      request.getHeader('sec-websocket-protocol'),
      request.getHeader('sec-websocket-extensions'),
      context,
    );
  },
  message(ws, message) {
    const frame = JSON.parse(Buffer.from(message).toString('utf8')) as ClientFrame;
    if (frame.type === 'AUTHENTICATE') {
      const user = verifyToken(frame.token ?? '');
      ws.getUserData().user = user;
      ws.send(user ? '{"type":"AUTHENTICATED"}' : '{"type":"ERROR","message":"bad token"}', false);
      if (user) openOwn?.(user);
    } else if (frame.type === 'SUBSCRIBE' && ws.getUserData().user) {
      for (const property of frame.property_ids ?? []) {
        const channel = `property:${property}`;
        ws.send(`{"type":"SUBSCRIBED","property_id":"${property}"}`, false);
        ws.subscribe(channel);
        follow(channel);
      }
    }
  },
});
app.listen('127.0.0.1', 0, (token) => {
  if (!token) throw new Error('cannot listen');
  announce(us_socket_local_port(token));
});
