/** A WebSocket without a network: the test plays the gateway. */
import type { ClientMessage } from '@belfry/shared/protocol';
import type { WebSocketConstructor } from './api.js';

export interface FakeSocket {
  readonly url: string;
  /** What the client sent. */
  readonly sent: readonly ClientMessage[];
  /** The client let go of it. */
  readonly closed: boolean;
  /** Takes what was sent since the last call. */
  take(): ClientMessage[];
  /** A frame arrives. */
  frame(message: Readonly<Record<string, unknown>>): void;
  /** Something arrives that need not be a frame. */
  raw(data: unknown): void;
  drop(code: number, reason?: string): void;
  /** WELCOME, with these fields beside the usual ones. */
  welcome(fields?: Readonly<Record<string, unknown>>): void;
  authenticated(fields?: Readonly<Record<string, unknown>>): void;
}

export interface FakeNetwork {
  readonly WebSocket: WebSocketConstructor;
  readonly sockets: readonly FakeSocket[];
  /** The latest. */
  readonly socket: FakeSocket;
}

export function createFakeNetwork(now: () => number): FakeNetwork {
  const sockets: FakeSocket[] = [];

  class Socket implements FakeSocket {
    onmessage: ((event: { data: unknown }) => void) | null = null;
    onclose: ((event: { code: number; reason: string }) => void) | null = null;
    onerror: (() => void) | null = null;
    readonly sent: ClientMessage[] = [];
    closed = false;
    #taken = 0;
    readonly url: string;

    constructor(url: string) {
      this.url = url;
      sockets.push(this);
    }
    send(text: string): void {
      if (this.closed) throw new Error('sent on a closed socket');
      this.sent.push(JSON.parse(text));
    }
    close(): void {
      this.closed = true;
    }
    take(): ClientMessage[] {
      const taken = this.sent.slice(this.#taken);
      this.#taken = this.sent.length;
      return taken;
    }
    raw(data: unknown): void {
      this.onmessage?.({ data });
    }
    frame(message: Readonly<Record<string, unknown>>): void {
      this.raw(JSON.stringify(message));
    }
    drop(code: number, reason = ''): void {
      this.onclose?.({ code, reason });
    }
    welcome(fields: Readonly<Record<string, unknown>> = {}): void {
      this.frame({
        type: 'WELCOME',
        connection_id: `c${sockets.length}`,
        server_time: now() / 1000,
        heartbeat_interval: 30,
        reconnect: { first_ms: 5_000, max_ms: 30_000 },
        protocol: 1,
        node: 'node-a',
        ...fields,
      });
    }
    authenticated(fields: Readonly<Record<string, unknown>> = {}): void {
      this.frame({
        type: 'AUTHENTICATED',
        user_id: 'manager',
        role: 'MANAGER',
        expires_at: now() / 1000 + 3600,
        channels: ['user:manager', 'role:manager'],
        ...fields,
      });
    }
  }

  return {
    WebSocket: Socket,
    sockets,
    get socket() {
      const last = sockets.at(-1);
      if (!last) throw new Error('nothing has connected');
      return last;
    },
  };
}
