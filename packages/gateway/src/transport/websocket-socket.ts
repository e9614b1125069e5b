/** A WebSocket of uWebSockets.js, as sessions know it, and what is kept with it there. */
import type { WebSocket } from 'uWebSockets.js';
import type { CloseCode } from '@belfry/shared/protocol';
import type { Frame } from '../channels/subscriber.js';
import type { Session } from '../session/session.js';
import type { Socket } from '../session/socket.js';
import type { Credential } from './upgrade.js';

/** What uWebSockets.js keeps with each socket. */
export interface UserData {
  readonly address: string;
  readonly credential: Credential | undefined;
  session: Session | undefined;
  gone: boolean;
  /** Something for it was dropped: there is a hole, and nothing may come behind it. */
  choked: boolean;
}

export type Ws = WebSocket<UserData>;

/** uWebSockets.js' answer to `send` when nothing was sent. */
const DROPPED = 2;

/** A class, not closures: there are ten thousand of these. */
export class WebSocketSocket implements Socket {
  readonly #ws: Ws;

  constructor(ws: Ws) {
    this.#ws = ws;
  }
  send(frame: Frame): boolean {
    return this.#ws.send(frame, false) !== DROPPED;
  }
  together(sends: () => void): void {
    this.#ws.cork(sends);
  }
  follow(channel: string): void {
    const { choked, gone } = this.#ws.getUserData();
    if (!choked && !gone) this.#ws.subscribe(channel);
  }
  unfollow(channel: string): void {
    this.#ws.unsubscribe(channel);
  }
  end({ code, reason }: CloseCode): void {
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
