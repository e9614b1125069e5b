/** A WebSocket of uWebSockets.js, as sessions know it, and what is kept with it there. */
import type { WebSocket } from 'uWebSockets.js';
import type { CloseCode } from '@belfry/shared/protocol';
import type { Frame } from '../channels/subscriber.js';
import type { Session } from '../session/session.js';
import type { Socket } from '../session/socket.js';
import type { GatheredSends } from './gathered-sends.js';
import type { Credential } from './upgrade.js';

/** What uWebSockets.js keeps with each socket. */
export interface UserData {
  readonly address: string;
  credential: Credential | undefined;
  session: Session | undefined;
  gone: boolean;
  /** Something for it was dropped: there is a hole, and nothing may come behind it. */
  choked: boolean;
}

export type Ws = WebSocket<UserData>;

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

/** Cuts a socket off that may be closed already. */
export function destroyQuietly(ws: Ws): void {
  try {
    ws.close();
  } catch {
    // Closed in the meantime: what was wanted.
  }
}

/** Takes a socket that may be closed already off all its topics. */
export function unsubscribeQuietly(ws: Ws): void {
  try {
    for (const topic of ws.getTopics()) ws.unsubscribe(topic);
  } catch {
    // Closed in the meantime: what was wanted.
  }
}
