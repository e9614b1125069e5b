/**
 * A WebSocket client made for thousands in one process: frames are found in the socket's own chunks and handed on as
 * views, nothing is decoded, queued or checked that the audit does not need.
 */
import { connect, type Socket } from 'node:net';

export interface WireEvents {
  /** The upgrade was accepted. */
  readonly open: () => void;
  /** A text frame, in `bytes` from `start` to `end`; a view, valid during the call. */
  readonly text: (bytes: Buffer, start: number, end: number) => void;
  /** Called once. 1006 where there was no close frame; 0 where no connection came about. */
  readonly end: (code: number) => void;
}

export interface Wire {
  send(text: string): void;
  /** Stops and goes on reading, as a client that hangs. */
  pause(): void;
  resume(): void;
  /** Breaks the connection with a reset. */
  reset(): void;
  readonly bytesRead: number;
}

const HEAD_END = Buffer.from('\r\n\r\n');
const EMPTY = Buffer.alloc(0);
const TEXT = 1;
const CLOSE = 8;
const PING = 9;
const PONG = 0x8a;

export function openWire(
  to: { readonly port: number; readonly localAddress?: string | undefined; readonly token: string },
  events: WireEvents,
): Wire {
  const socket: Socket = connect({
    host: '127.0.0.1',
    port: to.port,
    noDelay: true,
    ...(to.localAddress ? { localAddress: to.localAddress } : {}),
  });
  let upgraded = false;
  let ended = false;
  let code = 0;
  let rest: Buffer = EMPTY;

  const end = (): void => {
    if (ended) return;
    ended = true;
    socket.destroy();
    events.end(code);
  };

  socket.on('connect', () => {
    socket.write(
      `GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nAuthorization: Bearer ${to.token}\r\n` +
        'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
    );
  });
  socket.on('data', (chunk: Buffer) => {
    let bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    if (!upgraded) {
      const head = bytes.indexOf(HEAD_END);
      if (head === -1) {
        rest = bytes;
        return;
      }
      if (bytes.toString('latin1', 9, 12) !== '101') return end();
      upgraded = true;
      code = 1006;
      bytes = bytes.subarray(head + HEAD_END.length);
      events.open();
    }
    const used = readFrames(bytes);
    // A copy: a view would keep the whole chunk.
    rest = used === bytes.length ? EMPTY : Buffer.from(bytes.subarray(used));
  });
  // Where a reset fails, as on a socket that is being shut down, there is an error and never a close.
  socket.on('error', end);
  socket.on('close', end);

  /** Hands on every whole frame; returns where the rest begins. */
  function readFrames(bytes: Buffer): number {
    let at = 0;
    while (bytes.length - at >= 2 && !ended) {
      const short = (bytes[at + 1] as number) & 0x7f;
      const header = short === 126 ? 4 : short === 127 ? 10 : 2;
      if (bytes.length - at < header) break;
      const length =
        short === 126 ? bytes.readUInt16BE(at + 2) : short === 127 ? Number(bytes.readBigUInt64BE(at + 2)) : short;
      const start = at + header;
      if (bytes.length < start + length) break;
      const opcode = (bytes[at] as number) & 0x0f;
      if (opcode === TEXT) events.text(bytes, start, start + length);
      else if (opcode === PING) socket.write(Buffer.from([PONG, 0x80, 0, 0, 0, 0]));
      else if (opcode === CLOSE) {
        code = length >= 2 ? bytes.readUInt16BE(start) : 1005;
        end();
      }
      at = start + length;
    }
    return at;
  }

  return {
    send: (text) => void socket.write(clientFrame(text)),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    reset: () => void socket.resetAndDestroy(),
    get bytesRead() {
      return socket.bytesRead;
    },
  };
}

/** A text frame of a client. Its mask is all zeros, which leaves the payload as it is. */
function clientFrame(text: string): Buffer {
  const length = Buffer.byteLength(text);
  const header = length > 125 ? 8 : 6;
  const frame = Buffer.alloc(header + length);
  frame[0] = 0x81;
  frame[1] = 0x80 | (length > 125 ? 126 : length);
  if (length > 125) frame.writeUInt16BE(length, 2);
  frame.write(text, header);
  return frame;
}
