/**
 * The least of a client that a measurement needs, over a raw socket. All sockets read into one buffer, so that a client
 * costs little beside the server that is measured.
 */
import { connect, type Socket } from 'node:net';
import type { Conversation } from '../contenders/dialect.js';
import { clientFrame, FrameReader, type FrameSink } from './frames.js';

const HEAD_END = '\r\n\r\n';
const READ_BYTES = 256 * 1024;
/** One for all: what is read is used up before the next read. */
const buffer = Buffer.allocUnsafeSlow(READ_BYTES);

export interface ClientEvents {
  ready(client: Client): void;
  events(count: number): void;
  /** The beginning of an event that came as a long frame. */
  sample?(payload: Buffer): void;
  failed(reason: string): void;
}

export interface ClientOptions {
  readonly port: number;
  readonly path: string;
  readonly conversation: Conversation;
  readonly eventsIn: ((payload: Buffer) => number) | undefined;
  readonly remember: boolean;
  readonly stall: boolean;
}

export class Client implements FrameSink {
  bytes = 0;
  #socket: Socket | undefined;
  #reader = new FrameReader();
  #head: string | undefined = '';
  #ready = false;
  #dropped = false;
  readonly #options: ClientOptions;
  readonly #on: ClientEvents;
  readonly #send = (text: string): void => void this.#socket?.write(clientFrame(text));

  constructor(options: ClientOptions, on: ClientEvents) {
    this.#options = options;
    this.#on = on;
  }

  connect(): void {
    const { path, port } = this.#options;
    this.#reader = new FrameReader();
    this.#head = '';
    this.#ready = false;
    this.#dropped = false;
    const socket = connect({
      port,
      host: '127.0.0.1',
      noDelay: true,
      onread: { buffer, callback: (read) => this.#read(read) },
    });
    this.#socket = socket;
    socket.on('connect', () => {
      socket.write(
        `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
          'Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\nSec-WebSocket-Version: 13\r\n\r\n',
      );
    });
    let failure = 'closed by the server';
    socket.on('error', (error) => {
      failure = error.message;
    });
    socket.on('close', () => {
      if (!this.#dropped && !this.#options.stall && this.#socket === socket) this.#on.failed(failure);
    });
  }

  /** Without a close frame, as where a network fails. */
  drop(): void {
    this.#dropped = true;
    this.#socket?.resetAndDestroy();
  }

  #read(read: number): boolean {
    this.bytes += read;
    const chunk = buffer.subarray(0, read);
    if (this.#head === undefined) this.#reader.read(chunk, this);
    else this.#readHead(this.#head + chunk.toString('latin1'));
    // False ends the reading: what comes stays with the kernels, and then with the server.
    return !(this.#options.stall && this.#ready);
  }

  #readHead(head: string): void {
    const end = head.indexOf(HEAD_END);
    if (end === -1) {
      this.#head = head;
      return;
    }
    if (!head.startsWith('HTTP/1.1 101')) return this.#on.failed(head.slice(0, end));
    this.#head = undefined;
    this.#options.conversation.opened(this.#send);
    const rest = head.slice(end + HEAD_END.length);
    if (rest.length > 0) this.#reader.read(Buffer.from(rest, 'latin1'), this);
  }

  text(text: string): void {
    const heard = this.#options.conversation.heard(text, this.#send);
    if (heard === 'nothing') return;
    if (heard === 'event') return this.#on.events(1);
    if (heard === 'ready') return this.#becomeReady();
    if ('failed' in heard) return this.#on.failed(heard.failed);
    if (heard.events > 0) this.#on.events(heard.events);
    if (heard.ready) this.#becomeReady();
  }

  long(chunk: Buffer, start: number, end: number): void {
    const { eventsIn } = this.#options;
    this.#on.events(eventsIn ? eventsIn(chunk.subarray(start, end)) : 1);
    this.#on.sample?.(chunk.subarray(start, end));
  }

  #becomeReady(): void {
    if (this.#ready) return;
    this.#ready = true;
    this.#reader.whole = this.#options.remember;
    this.#on.ready(this);
  }
}
