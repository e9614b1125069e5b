/** A TCP connection that says whatever it is told: what a well-behaved client's library would never send. */
import { randomBytes } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { eventually, within } from '@belfry/testkit';

export interface Raw {
  readonly socket: Socket;
  /** All bytes that came. */
  received(): Buffer;
  text(): string;
  /** Resolves when the other side has closed. */
  readonly closed: Promise<void>;
  write(data: string | Buffer): void;
  /** Resolves when this has come. */
  until(pattern: RegExp): Promise<string>;
  destroy(): void;
}

export async function open(port: number, localAddress = '127.0.0.1'): Promise<Raw> {
  const socket = connect({ host: '127.0.0.1', port, localAddress, noDelay: true });
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  // Being cut off is what most of these connections are for.
  socket.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
  await within(new Promise((resolve) => socket.once('connect', resolve)), 'connection');
  const text = () => Buffer.concat(chunks).toString('latin1');
  return {
    socket,
    received: () => Buffer.concat(chunks),
    text,
    closed,
    write: (data) => void socket.write(data),
    until: (pattern) => eventually(`${pattern}`, () => pattern.exec(text())?.[0]),
    destroy: () => void socket.destroy(),
  };
}

export const KEY = 'dGhlIHNhbXBsZSBub25jZQ==';

export function upgradeRequest(headers: readonly string[] = [], path = '/ws'): string {
  return [
    `GET ${path} HTTP/1.1`,
    'Host: belfry.example',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Version: 13',
    `Sec-WebSocket-Key: ${KEY}`,
    ...headers,
    '',
    '',
  ].join('\r\n');
}

/** Upgraded, WELCOME received. */
export async function openWebSocket(port: number, headers: readonly string[] = [], from?: string): Promise<Raw> {
  const raw = await open(port, from);
  raw.write(upgradeRequest(headers));
  await raw.until(/"type":"WELCOME"[^}]*}/);
  return raw;
}

export interface FrameShape {
  readonly opcode: number;
  readonly payload?: string | Buffer;
  readonly fin?: boolean;
  /** The three reserved bits. */
  readonly reserved?: number;
  readonly masked?: boolean;
  /** What the header says instead of the payload's length. */
  readonly claimed?: number | bigint;
  /** Bytes of the length field: 0, 2 or 8; default: the shortest. */
  readonly lengthBytes?: 0 | 2 | 8;
}

export function frame(shape: FrameShape): Buffer {
  const { fin = true, masked = true, opcode, reserved = 0 } = shape;
  const payload = Buffer.from(shape.payload ?? '');
  const length = BigInt(shape.claimed ?? payload.length);
  const lengthBytes = shape.lengthBytes ?? (length > 65_535n ? 8 : length > 125n ? 2 : 0);
  const head = Buffer.alloc(2 + lengthBytes);
  head[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode;
  head[1] = (masked ? 0x80 : 0) | (lengthBytes === 0 ? Number(length) : lengthBytes === 2 ? 126 : 127);
  if (lengthBytes === 2) head.writeUInt16BE(Number(length), 2);
  if (lengthBytes === 8) head.writeBigUInt64BE(length, 2);
  if (!masked) return Buffer.concat([head, payload]);
  const mask = randomBytes(4);
  const hidden = Buffer.from(payload.map((byte, at) => byte ^ (mask[at % 4] as number)));
  return Buffer.concat([head, mask, hidden]);
}

export const TEXT = 1;
export const BINARY = 2;
export const CONTINUATION = 0;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

export const close = (code?: number, reason: string | Buffer = ''): Buffer => {
  if (code === undefined) return frame({ opcode: CLOSE });
  const head = Buffer.alloc(2);
  head.writeUInt16BE(code);
  return frame({ opcode: CLOSE, payload: Buffer.concat([head, Buffer.from(reason)]) });
};
