/** A WebSocket client for tests: what came is kept in order until it is asked for, and every wait has an end. */
import { type ClientOptions, WebSocket } from 'ws';
import { DEFAULT_DEADLINE_MS, deferred, within } from './deadline.js';

/** One frame from the gateway. Its fields are the test's to check. */
export interface Frame {
  readonly type: string;
  // biome-ignore lint/suspicious/noExplicitAny: a test reads fields of frames whose shape is what it checks
  readonly [field: string]: any;
}

export interface ConnectOptions {
  /** Sent as `Authorization: Bearer <token>`. */
  readonly token?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Offered subprotocols. */
  readonly protocols?: readonly string[];
  /** Local address to connect from, such as 127.0.0.2: another "IP" on the same machine. */
  readonly localAddress?: string;
  /** For the opening. Default: 15 s. */
  readonly deadlineMs?: number;
}

export interface WaitOptions {
  readonly deadlineMs?: number;
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export interface TestClient {
  /** Underneath, for `pause()`, `ping()`, `terminate()`. */
  readonly socket: WebSocket;
  /** The subprotocol that the gateway chose, or an empty string. */
  readonly protocol: string;
  /** Everything received so far, taken by `next` or not. */
  readonly received: readonly Frame[];
  /** Resolves when the connection has ended, however; 1006 where there was no close frame. */
  readonly closed: Promise<Closed>;
  /**
   * The first frame not yet taken that is of this type and fulfils the predicate; without a type the very next one.
   * Frames passed over stay. Fails with what came instead at the deadline, or as soon as the connection has ended.
   */
  next(type?: string, predicate?: (frame: Frame) => boolean, options?: WaitOptions): Promise<Frame>;
  /** `count` frames of one type, in their order. */
  take(count: number, type: string, options?: WaitOptions): Promise<Frame[]>;
  /** Frames of this type that came and were not taken. */
  pending(type: string): readonly Frame[];
  send(message: Readonly<Record<string, unknown>>): void;
  /** Sends text, or bytes as a binary frame, as they are. */
  sendRaw(data: string | Uint8Array): void;
  /**
   * A fence, instead of waiting for a while: resolves when the gateway has answered a PING sent now, and so everything
   * it had sent before that has come.
   */
  settled(options?: WaitOptions): Promise<void>;
  close(code?: number, reason?: string): Promise<Closed>;
}

/** The gateway answered the upgrade with something else than 101. */
export class UpgradeRefused extends Error {
  readonly status: number;
  readonly body: string;

  constructor(status: number, body: string) {
    super(`upgrade refused with status ${status}: ${body}`);
    this.status = status;
    this.body = body;
  }
}

interface Waiter {
  readonly matches: (frame: Frame) => boolean;
  readonly resolve: (frame: Frame) => void;
  readonly reject: (error: Error) => void;
}

/**
 * Opens a connection.
 * @throws UpgradeRefused where the gateway refuses it
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<TestClient> {
  const headers = { ...(options.token ? { authorization: `Bearer ${options.token}` } : {}), ...options.headers };
  const socketOptions: ClientOptions = {
    headers,
    perMessageDeflate: false,
    ...(options.localAddress ? { localAddress: options.localAddress } : {}),
  };
  const socket = new WebSocket(url, [...(options.protocols ?? [])], socketOptions);
  // Listening from the start: frames may come in the same packet as the upgrade's answer.
  const client = wrap(socket);
  try {
    await within(opened(socket), `connection to ${url}`, { deadlineMs: options.deadlineMs ?? DEFAULT_DEADLINE_MS });
  } catch (error) {
    socket.terminate();
    throw error;
  }
  return client;
}

function opened(socket: WebSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('open', resolve);
    socket.on('error', reject);
    socket.once('unexpected-response', (_request, response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.once('end', () => reject(new UpgradeRefused(response.statusCode ?? 0, body)));
    });
  });
}

function wrap(socket: WebSocket): TestClient {
  const received: Frame[] = [];
  const queue: Frame[] = [];
  const waiters = new Set<Waiter>();
  let ended: Closed | undefined;
  let fences = 0;

  const seen = () =>
    `received: ${queue.length === 0 ? 'nothing' : queue.map((frame) => JSON.stringify(frame)).join(' ')}`;
  const endedError = (what: string, { code, reason }: Closed) =>
    new Error(`no ${what}: the connection ended with ${code} ${reason}; ${seen()}`);

  socket.on('message', (data, isBinary) => {
    const frame: Frame = isBinary ? { type: '(binary)', data } : JSON.parse(String(data));
    received.push(frame);
    for (const waiter of waiters) {
      if (!waiter.matches(frame)) continue;
      waiters.delete(waiter);
      waiter.resolve(frame);
      return;
    }
    queue.push(frame);
  });
  const closed = new Promise<Closed>((resolve) => {
    socket.once('close', (code, reason) => {
      ended = { code, reason: String(reason) };
      resolve(ended);
      for (const waiter of waiters) waiter.reject(endedError('frame', ended));
      waiters.clear();
    });
  });

  const next: TestClient['next'] = async (type, predicate = () => true, { deadlineMs = DEFAULT_DEADLINE_MS } = {}) => {
    const matches = (frame: Frame) => (type === undefined || frame.type === type) && predicate(frame);
    const index = queue.findIndex(matches);
    const [waiting] = index === -1 ? [] : queue.splice(index, 1);
    if (waiting) return waiting;
    if (ended) throw endedError(type ?? 'frame', ended);
    const found = deferred<Frame>();
    const waiter: Waiter = { matches, resolve: found.resolve, reject: found.reject };
    waiters.add(waiter);
    try {
      return await within(found.promise, type ?? 'frame', { deadlineMs, seen });
    } finally {
      waiters.delete(waiter);
    }
  };

  const send = (message: Readonly<Record<string, unknown>>) => socket.send(JSON.stringify(message));
  return {
    socket,
    get protocol() {
      return socket.protocol;
    },
    received,
    closed,
    next,
    async take(count, type, options) {
      const frames: Frame[] = [];
      while (frames.length < count) frames.push(await next(type, undefined, options));
      return frames;
    },
    pending: (type) => queue.filter((frame) => frame.type === type),
    send,
    sendRaw: (data) => socket.send(data),
    async settled(options) {
      const ref = `fence-${++fences}`;
      send({ type: 'PING', ref });
      await next('PONG', (frame) => frame.ref === ref, options);
    },
    async close(code = 1000, reason = '') {
      socket.close(code, reason);
      return await within(closed, 'close', { seen });
    },
  };
}
