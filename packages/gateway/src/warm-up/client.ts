/** The least of a client: it connects, says who it is, subscribes, and is gone once it has its answers. */
import { createHmac } from 'node:crypto';
import { connect } from 'node:net';
import type { ClientMessage } from '@belfry/shared/protocol';

export interface ClientShape {
  readonly token: string;
  /** What it subscribes. */
  readonly properties: readonly string[];
}

const UPGRADE =
  'GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n';
const ANSWER = '"SUBSCRIBED"';
/** It outlives its client by far. */
const TOKEN_SECONDS = 3_600;
const HEADER = Buffer.from('{"alg":"HS256","typ":"JWT"}').toString('base64url');

/** Resolves when it has all its answers. Rejects where the connection fails, or that takes more than `mostMs`. */
export function runClient(port: number, { properties, token }: ClientShape, mostMs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ host: '127.0.0.1', port, noDelay: true });
    let upgraded = false;
    let missing = properties.length;
    socket.setTimeout(mostMs, () => socket.destroy(new Error(`no answer within ${mostMs} ms`)));
    socket.on('error', reject);
    socket.on('close', () => (missing > 0 ? reject(new Error('the connection was closed')) : resolve()));
    socket.on('data', (data: Buffer) => {
      if (!upgraded) {
        upgraded = true;
        socket.write(frameOf({ type: 'AUTHENTICATE', token }));
        socket.write(frameOf({ type: 'SUBSCRIBE', property_ids: properties }));
      }
      missing -= data.toString('latin1').split(ANSWER).length - 1;
      if (missing <= 0) socket.destroy();
    });
    socket.write(UPGRADE);
  });
}

/** A whole text frame, masked with zeros: the mask is for proxies. */
function frameOf(message: ClientMessage): Buffer {
  const payload = Buffer.from(JSON.stringify(message));
  const head = Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 255, 0, 0, 0, 0]);
  if (payload.length >= 126) return Buffer.concat([head, payload]);
  return Buffer.concat([Buffer.from([0x81, 0x80 | payload.length, 0, 0, 0, 0]), payload]);
}

export function mintToken(claims: object, secret: string): string {
  const exp = Math.floor(Date.now() / 1000) + TOKEN_SECONDS;
  const payload = Buffer.from(JSON.stringify({ ...claims, exp })).toString('base64url');
  const signed = `${HEADER}.${payload}`;
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`;
}
