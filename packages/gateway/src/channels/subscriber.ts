/** What channels see of the connections that listen to them: nothing of sockets, nothing of uWebSockets.js. */

/** A frame as it goes over the wire. */
export type Frame = string | Uint8Array;

/** One client, as a channel sees it. Calls take effect on its wire in the order in which they are made. */
export interface Subscriber {
  /** `frame` is copied where it is kept: bytes may be a view on memory that is used again. */
  send(frame: Frame): void;
  /** Runs the block, so that what is sent in it leaves in one piece. */
  together(block: () => void): void;
  /** From here on the client gets what is published on the channel's topic. */
  follow(channel: string): void;
  /** Bytes that wait for the client to read. */
  readonly bufferedBytes: number;
}

/** Publishes to everybody who follows a channel. */
export type PublishToFollowers = (channel: string, frame: Frame) => void;
