/**
 * A connection between a simulated client and a gateway. It behaves as uWebSockets.js was measured to: call order is
 * wire order, a subscription covers later publishes only, over the limit frames are dropped and the session is told,
 * `end` reports the close before it returns, and a closed socket throws.
 */
import { createPipe, type VirtualClock } from '@belfry/shared/log/memory';
import type { Frame } from '../channels/subscriber.js';
import type { Socket } from '../session/socket.js';

export interface WireOptions {
  readonly clock: VirtualClock;
  readonly delayMs: () => number;
  /** Bytes that may wait for a client that does not read. */
  readonly maxBuffered: number;
  /** When a follow takes effect: a sabotage makes it late. */
  readonly onFollow?: ((apply: () => void) => void) | undefined;
}

export interface ClientEnd {
  onFrame(text: string): void;
  onClose(code: number): void;
}

export interface ServerEnd {
  onText(text: string): void;
  /** A published frame was dropped. */
  onDropped(): void;
  onDrained(): void;
  onClosed(code: number): void;
}

export interface Wire {
  readonly socket: Socket;
  /** The server's side of a topic. */
  follows(channel: string): boolean;
  publish(frame: Frame): void;
  /** From the client. */
  send(text: string): void;
  /** The client stops reading. */
  stall(): void;
  resume(): void;
  /** The connection breaks. What was on its way is lost; each side learns of it on its own. */
  cut(): void;
  readonly open: boolean;
  /** Something was dropped: there may be holes in what the client gets. */
  readonly dropped: boolean;
}

export function createWire(options: WireOptions, client: ClientEnd, server: ServerEnd): Wire {
  const { clock, delayMs, maxBuffered } = options;
  const topics = new Set<string>();
  const down = createPipe(clock, delayMs);
  const up = createPipe(clock, delayMs);
  let stalled = false;
  let waiting: (() => void)[] = [];
  let waitingBytes = 0;
  let serverOpen = true;
  let clientOpen = true;
  let dropped = false;
  /** Nothing arrives any more, on either side; they do not know it yet. */
  let broken = false;

  /** What the server has sent: on its way, or waiting for the client to read. */
  function deliver(bytes: number, run: () => void): void {
    if (broken) return;
    if (stalled) {
      waiting.push(run);
      waitingBytes += bytes;
    } else {
      down.put(run);
    }
  }

  function transmit(frame: Frame): boolean {
    if (waitingBytes > maxBuffered) {
      dropped = true;
      return false;
    }
    const text = typeof frame === 'string' ? frame : Buffer.from(frame).toString('utf8');
    deliver(text.length, () => {
      if (clientOpen) client.onFrame(text);
    });
    return true;
  }

  function closeClient(code: number): void {
    if (!clientOpen) return;
    clientOpen = false;
    up.drop();
    client.onClose(code);
  }

  function closeServer(code: number): void {
    if (!serverOpen) return;
    serverOpen = false;
    topics.clear();
    server.onClosed(code);
  }

  function alive(): void {
    if (!serverOpen) throw new Error('Invalid access of closed uWS.WebSocket/SSLWebSocket.');
  }

  const socket: Socket = {
    send(frame) {
      alive();
      return transmit(frame);
    },
    together(sends) {
      alive();
      sends();
    },
    follow(channel) {
      alive();
      const apply = (): void => void (serverOpen && topics.add(channel));
      if (options.onFollow) options.onFollow(apply);
      else apply();
    },
    unfollow(channel) {
      alive();
      topics.delete(channel);
    },
    end({ code }) {
      alive();
      deliver(0, () => closeClient(code));
      closeServer(code);
    },
    destroy() {
      if (!serverOpen) return;
      waiting = [];
      down.drop();
      closeServer(1006);
      down.put(() => closeClient(1006));
    },
    get bufferedBytes() {
      alive();
      return waitingBytes;
    },
  };

  return {
    socket,
    follows: (channel) => topics.has(channel),
    publish(frame) {
      if (!transmit(frame)) server.onDropped();
    },
    send(text) {
      if (broken) return;
      up.put(() => {
        if (serverOpen) server.onText(text);
      });
    },
    stall() {
      stalled = true;
    },
    resume() {
      stalled = false;
      for (const run of waiting) down.put(run);
      waiting = [];
      waitingBytes = 0;
      if (serverOpen) server.onDrained();
    },
    cut() {
      broken = true;
      waiting = [];
      down.drop();
      up.drop();
      clock.after(delayMs(), () => closeClient(1006));
      clock.after(delayMs(), () => closeServer(1006));
    },
    get open() {
      return clientOpen;
    },
    get dropped() {
      return dropped;
    },
  };
}
