/**
 * What the gateway is measured against: uWebSockets.js and nothing else. It takes the same frames, subscribes the same
 * topics and answers as many frames, without tokens, limits, recovery, metrics or Redis.
 */
import { App, us_socket_local_port } from 'uWebSockets.js';

interface SubscribeFrame {
  readonly type: string;
  readonly property_ids?: readonly string[];
}

const app = App();
app.ws('/ws', {
  maxPayloadLength: 16_384,
  maxBackpressure: 262_144,
  idleTimeout: 900,
  sendPingsAutomatically: false,
  message(ws, message) {
    const frame = JSON.parse(Buffer.from(message).toString('utf8')) as SubscribeFrame;
    if (frame.type !== 'SUBSCRIBE') return;
    for (const property of frame.property_ids ?? []) {
      ws.send(`{"type":"SUBSCRIBED","property_id":"${property}"}`, false);
      ws.subscribe(`property:${property}`);
    }
  },
});
app.listen('127.0.0.1', 0, (token) => {
  if (!token) throw new Error('cannot listen');
  const port = us_socket_local_port(token);
  process.stdout.write(`${JSON.stringify({ level: 'info', msg: 'listening', port, operator_port: 0 })}\n`);
});
