/** What a session needs of its connection. The transport makes these; sessions know no other kind of socket. */
import type { CloseCode, JoinKind } from '@belfry/shared/protocol';
import type { Frame } from '../channels/subscriber.js';

export interface Socket {
  /** Which kinds of channels may be joined on it without having been asked for; undefined for all that are set. */
  readonly joins?: readonly JoinKind[];
  /**
   * True where the client asks for all of its channels when it comes, and cannot ask again: what it cannot have at once is joined
   * when it can. It resumes by itself what it joined unasked, and has to be told from where.
   */
  readonly asksOnce?: boolean;
  /** Whether it is about to ask for the channel, which then is not joined unasked before. Without it: for none. */
  asksFor?(channel: string): boolean;
  /** Sends after everything sent before. False when the frame was dropped: the client is too slow. */
  send(frame: Frame): boolean;
  /** Runs `sends` so that everything sent in it leaves in one piece. */
  together(sends: () => void): void;
  follow(channel: string): void;
  unfollow(channel: string): void;
  /** Closes in order: what was sent before arrives first. */
  end(close: CloseCode): void;
  /** Closes at once, without a word. For clients that cannot be told any more. */
  destroy(): void;
  /** Bytes that wait for the client to read. */
  readonly bufferedBytes: number;
}
