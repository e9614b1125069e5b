/** A WebSocket as uWebSockets.js has it, what is kept with it there, and what can be done to it though it may be closed. */
import type { WebSocket } from 'uWebSockets.js';
import type { Session } from '../session/session.js';
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
