/**
 * Sockets for which something was dropped, because their clients do not read: there is a hole in what they got, and
 * nothing that is published may reach them behind it. Their sessions close them when the turn is over; until then a socket
 * that has room again would get what is published next, and nobody could tell the client of the hole.
 */
import { destroyQuietly, unsubscribeQuietly, type Ws } from './ws.js';

export interface ChokedSockets {
  /** Something for this socket was dropped. Called from inside a send, where the socket must not be touched: only noted. */
  add(ws: Ws): void;
  /** Before a message is published: it will not reach them. */
  silence(): void;
  /** Behind a message that was published: it does not reach those who had no room for it. */
  cut(): void;
}

export function createChokedSockets(): ChokedSockets {
  /** Those that are still subscribed. */
  const choked: Ws[] = [];

  function unsubscribed(): Ws[] {
    const sockets = choked.splice(0);
    for (const ws of sockets) unsubscribeQuietly(ws);
    return sockets;
  }

  return {
    add(ws) {
      const data = ws.getUserData();
      data.choked = true;
      choked.push(ws);
      data.session?.poison();
    },
    silence() {
      if (choked.length > 0) unsubscribed();
    },
    /**
     * uWebSockets.js sends a socket 32 messages at a time. Where that is what dropped something, the message that is being
     * published is queued behind the hole already, and only closing the socket takes it back: before the loop sends what
     * is queued, and behind whoever publishes.
     */
    cut() {
      if (choked.length === 0) return;
      const sockets = unsubscribed();
      queueMicrotask(() => sockets.forEach(destroyQuietly));
    },
  };
}
