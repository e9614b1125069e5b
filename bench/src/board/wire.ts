/**
 * The least of a WebSocket client that a measurement needs: frames written and read by hand over a raw socket, so that
 * ten thousand clients cost the machine little beside the server that is measured.
 */
import { connect, type Socket } from 'node:net';

const UPGRADE_ANSWER_END = '\r\n\r\n';

/** A text frame of a client. Its mask is all zeros, which leaves the payload as it is. */
export function clientFrame(text: string): Buffer {
  const payload = Buffer.from(text);
  const long = payload.length > 125;
  const header = Buffer.alloc(long ? 8 : 6);
  header[0] = 0x81;
  header[1] = 0x80 | (long ? 126 : payload.length);
  if (long) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

/** Cuts what a server sends into frames. Returns what is left over for the next call. */
export function readFrames(bytes: Buffer, onText: (text: string) => void): Buffer {
  let at = 0;
  while (bytes.length - at >= 2) {
    const short = (bytes[at + 1] as number) & 0x7f;
    const header = short === 126 ? 4 : short === 127 ? 10 : 2;
    if (bytes.length - at < header) break;
    const length =
      short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
    if (bytes.length - at < header + length) break;
    if (((bytes[at] as number) & 0x0f) === 1) onText(bytes.toString('latin1', at + header, at + header + length));
    at += header + length;
  }
  // A copy: a slice would keep the whole chunk.
  return at === bytes.length ? EMPTY : Buffer.from(bytes.subarray(at));
}
const EMPTY = Buffer.alloc(0);

export interface RawClient {
  send(text: string): void;
}

/** Connects, upgrades, and hands every text frame to `onText`. `onEnd` is called once, when the connection is gone. */
export function openRaw(
  port: number,
  on: {
    readonly open: (client: RawClient) => void;
    readonly text: (client: RawClient, text: string) => void;
    readonly end: (reason: string) => void;
  },
): void {
  const socket: Socket = connect({ port, host: '127.0.0.1', noDelay: true });
  const client: RawClient = { send: (text) => void socket.write(clientFrame(text)) };
  let upgraded = false;
  let rest: Buffer = EMPTY;
  const onText = (text: string): void => on.text(client, text);
  socket.on('connect', () => {
    socket.write(
      `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
  });
  socket.on('data', (chunk) => {
    let bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    if (!upgraded) {
      const end = bytes.indexOf(UPGRADE_ANSWER_END);
      if (end === -1) {
        rest = bytes;
        return;
      }
      if (!bytes.toString('latin1', 0, end).startsWith('HTTP/1.1 101')) {
        socket.destroy(new Error(bytes.toString('latin1', 0, end)));
        return;
      }
      upgraded = true;
      bytes = bytes.subarray(end + UPGRADE_ANSWER_END.length);
      on.open(client);
    }
    rest = readFrames(bytes, onText);
  });
  let failure = 'closed by the server';
  socket.on('error', (error) => {
    failure = error.message;
  });
  socket.on('close', () => on.end(failure));
}
