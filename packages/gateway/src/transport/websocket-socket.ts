/** A WebSocket of uWebSockets.js, as sessions know it. */
import type { CloseCode } from '@belfry/shared/protocol';
import type { Frame } from '../channels/subscriber.js';
import type { Socket } from '../session/socket.js';
import type { GatheredSends } from './gathered-sends.js';
import { destroyQuietly, type Ws } from './ws.js';

/** A class, not closures: there are ten thousand of these. */
export class WebSocketSocket implements Socket {
  readonly #ws: Ws;
  readonly #sends: GatheredSends;

  constructor(ws: Ws, sends: GatheredSends) {
    this.#ws = ws;
    this.#sends = sends;
  }
  send(frame: Frame): boolean {
    return this.#sends.send(this.#ws, frame);
  }
  together(block: () => void): void {
    const before = this.#sends.corked;
    this.#sends.corked = this.#ws;
    try {
      this.#ws.cork(block);
    } finally {
      this.#sends.corked = before;
    }
  }
  follow(channel: string): void {
    const { choked, gone } = this.#ws.getUserData();
    if (!choked && !gone) this.#ws.subscribe(channel);
  }
  unfollow(channel: string): void {
    this.#ws.unsubscribe(channel);
  }
  end({ code, reason }: CloseCode): void {
    this.#sends.flushOf(this.#ws);
    this.#ws.end(code, reason);
  }
  destroy(): void {
    destroyQuietly(this.#ws);
  }
  get bufferedBytes(): number {
    return this.#ws.getBufferedAmount();
  }
}
