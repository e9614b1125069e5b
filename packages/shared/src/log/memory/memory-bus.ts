/**
 * Sharded pub/sub in memory: the publishing side of a Redis, and connections that subscribe to it, with the faults that
 * real ones have. Within one connection messages keep their order, as on TCP; what is lost is lost with the connection,
 * or with a subscription that is dead and does not look it.
 */
import { EventEmitter } from 'node:events';
import type { Clock } from '../../service/clock.js';
import type { SubscriberConnection } from '../line.js';
import { createPipe } from './pipe.js';

export interface MemoryBusOptions {
  readonly clock: Clock;
  /** Milliseconds on the way, drawn for each message; order within a connection is kept. Default: none. */
  readonly delayMs?: () => number;
  /** Whether connections can be made and messages published. Default: always. */
  readonly reachable?: () => boolean;
  /** Whether a message vanishes on a sound connection: worse than Redis, for what has to be found all the same. */
  readonly lose?: () => boolean;
  /** Whether a message arrives twice. Default: never. */
  readonly duplicate?: () => boolean;
}

export interface MemoryBus {
  /** As SPUBLISH inside the store's append: reaches whoever is subscribed at this instant. */
  publish(topic: string, frame: string): void;
  /** As SPUBLISH of a client: over the network, and failing where that fails. */
  send(topic: string, frame: string): Promise<void>;
  /** A connection of the named client, not yet connected. */
  open(client: string): SubscriberConnection;
  /** Closes a client's connections. What was on its way is lost, or, with `stragglers`, comes after the end. */
  cut(client: string, stragglers?: boolean): void;
  /** A client's connections get nothing any more, and nobody tells them. */
  deaden(client: string): void;
}

/** As ioredis' commandTimeout on a line. */
const COMMAND_TIMEOUT_MS = 5_000;

export function createMemoryBus(options: MemoryBusOptions): MemoryBus {
  const { clock, delayMs = () => 0, reachable = () => true, lose = () => false, duplicate = () => false } = options;
  const open = new Map<MemoryConnection, string>();

  const connectionsOf = (client: string): MemoryConnection[] =>
    [...open].filter(([, owner]) => owner === client).map(([connection]) => connection);

  function publish(topic: string, frame: string): void {
    for (const connection of open.keys()) {
      if (!connection.subscribed(topic) || lose()) continue;
      connection.message(topic, frame);
      if (duplicate()) connection.message(topic, frame);
    }
  }

  return {
    publish,
    send: (topic, frame) =>
      new Promise((resolve, reject) => {
        clock.after(delayMs(), () => {
          if (!reachable()) return void clock.after(COMMAND_TIMEOUT_MS, () => reject(new Error('Command timed out')));
          publish(topic, frame);
          resolve();
        });
      }),
    open(client) {
      const connection = createConnection({
        clock,
        delayMs,
        reachable,
        onConnected: () => open.set(connection, client),
        onClosed: () => open.delete(connection),
      });
      return connection;
    },
    cut(client, stragglers = false) {
      for (const connection of connectionsOf(client)) connection.cut(stragglers);
    },
    deaden(client) {
      for (const connection of connectionsOf(client)) connection.deaden();
    },
  };
}

interface MemoryConnection extends SubscriberConnection {
  subscribed(topic: string): boolean;
  message(topic: string, frame: string): void;
  cut(stragglers: boolean): void;
  deaden(): void;
}

interface ConnectionOptions {
  readonly clock: Clock;
  readonly delayMs: () => number;
  readonly reachable: () => boolean;
  readonly onConnected: () => void;
  readonly onClosed: () => void;
}

function createConnection(options: ConnectionOptions): MemoryConnection {
  const { clock, delayMs, reachable } = options;
  const emitter = new EventEmitter();
  /** What Redis holds of this connection. */
  const topics = new Set<string>();
  const pending = new Set<(error: Error) => void>();
  const toServer = createPipe(clock, delayMs);
  const toClient = createPipe(clock, delayMs);
  let state: 'new' | 'connected' | 'dead' | 'closed' = 'new';

  function close(): void {
    if (state === 'closed') return;
    state = 'closed';
    topics.clear();
    toServer.drop();
    options.onClosed();
    clock.after(delayMs(), () => {
      const error = new Error('Connection is closed.');
      for (const reject of [...pending]) reject(error);
      emitter.emit('end');
    });
  }

  /** A command: to the server, its effect there, and the answer back in line with the messages. */
  function command(effect: () => void): Promise<void> {
    return new Promise((resolve, reject) => {
      const settle = (act: () => void): void => {
        if (!pending.delete(fail)) return;
        cancelTimeout();
        act();
      };
      const fail = (error: Error): void => settle(() => reject(error));
      pending.add(fail);
      const cancelTimeout = clock.after(COMMAND_TIMEOUT_MS, () => fail(new Error('Command timed out')));
      if (state === 'closed') return fail(new Error('Connection is closed.'));
      toServer.put(() => {
        if (state !== 'connected') return;
        effect();
        toClient.put(() => settle(resolve));
      });
    });
  }

  return {
    on: (event: string, listener: (...args: never[]) => void) => emitter.on(event, listener as () => void),
    connect: () =>
      new Promise((resolve, reject) => {
        clock.after(delayMs(), () => {
          if (state === 'closed') return reject(new Error('Connection is closed.'));
          if (!reachable()) {
            close();
            return reject(new Error('connect ECONNREFUSED'));
          }
          state = 'connected';
          options.onConnected();
          resolve(undefined);
        });
      }),
    ssubscribe: (...names) => command(() => names.forEach((name) => void topics.add(name))),
    sunsubscribe: (...names) => command(() => names.forEach((name) => void topics.delete(name))),
    disconnect() {
      toClient.drop();
      close();
    },
    subscribed: (topic) => state === 'connected' && topics.has(topic),
    message(topic, frame) {
      toClient.put(() => {
        // A view on the connection's buffer, which is used again for what comes next.
        const view = Buffer.from(frame);
        emitter.emit('smessageBuffer', Buffer.from(topic), view);
        view.fill('#');
      });
    },
    cut(stragglers) {
      if (!stragglers) toClient.drop();
      close();
    },
    deaden() {
      if (state === 'connected') state = 'dead';
    },
  };
}
