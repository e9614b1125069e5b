/** What a client says to each contender until it is ready, and what it has to answer afterwards. */
import { channelName } from '../load/plan.js';

/** What one client wants. */
export interface Wish {
  readonly token: string;
  /** Names of channels. */
  readonly channels: readonly string[];
}

/** What a frame was to a client that is being set up. */
export type Heard =
  | 'ready'
  | 'event'
  | 'nothing'
  /** Events that came in one frame with other things. */
  | { readonly events: number; readonly ready: boolean }
  | { readonly failed: string };

/** The conversation of one client. It outlives its connections, and remembers what it needs to resume. */
export interface Conversation {
  /** A connection is open. */
  opened(send: (text: string) => void): void;
  /**
   * A frame came in. Called for every frame until `ready`, from then on for short ones only, unless the client is to
   * remember where it stands.
   */
  heard(text: string, send: (text: string) => void): Heard;
}

export interface Dialect {
  /** Of the upgrade request. */
  readonly path: string;
  converse(wish: Wish): Conversation;
  /** How many events a long frame holds; by default one. */
  eventsIn?(payload: Buffer): number;
}

export const wishOf = (token: string, channels: readonly number[]): Wish => ({
  token,
  channels: channels.map(channelName),
});
