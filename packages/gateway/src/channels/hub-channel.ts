/** What the hub and sessions know of a channel, whatever its kind: `Channel`, for streams of events, or `Board`. */
import type { Position, Ref } from '@belfry/shared/protocol';
import type { Frame, Subscriber } from './subscriber.js';

export type ChannelState = 'opening' | 'live' | 'repairing' | 'closed';

export interface HubChannel {
  readonly name: string;
  readonly state: ChannelState;
  readonly position: Position;
  /** How many follow the channel. */
  readonly followers: number;
  /** True when nobody follows and nobody waits to. */
  readonly idle: boolean;
  /** The link has confirmed the subscription: read where the channel stands. */
  open(): void;
  close(): void;
  /** An event came in over the link. `frame` is copied where it is kept. */
  receive(position: Position, frame: Buffer): void;
  /** @returns false when the request has to wait; `withdraw` takes it back */
  join(request: JoinRequest): boolean;
  /**
   * Joins who comes without a past at once, with nothing but SUBSCRIBED where it is announced. When thousands come, most
   * come like this, and making a request for each is most of what it costs. False where it takes a request.
   */
  joinFresh(subscriber: Subscriber, announced: boolean): boolean;
  /**
   * Takes a waiting request back; false when it is not waiting any more.
   * @param unserved it was kept waiting for too long: what is read for it costs it nothing
   */
  withdraw(request: JoinRequest, unserved: boolean): boolean;
  leave(subscriber: Subscriber): void;
  /** The link missed something, perhaps: compares with the log's end, which is undefined where there is no log. */
  check(end: Position | undefined): void;
  /** A follower, or one who waits to be one, has read what waited for it. */
  drained(subscriber: Subscriber): void;
}

/** What a subscriber is sent of the past goes through this, which may stop where there is no room for more. */
export interface Replay {
  send(frame: Frame): void;
  /** Something was left out: the subscriber does not follow the channel's topic before it has joined again behind it. */
  readonly stopped: boolean;
}

export interface JoinRequest {
  readonly subscriber: Subscriber;
  /** Undefined where the subscriber is sent everything. */
  readonly replay: Replay | undefined;
  readonly after: Position | undefined;
  /** The last n events. */
  readonly rewind: number | undefined;
  readonly ref: Ref | undefined;
  /** Whether little enough waits for the subscriber for it to be sent a state. It is told `drained` when it has read. */
  readonly hasRoom: boolean;
  /** Whether SUBSCRIBED is sent; not for channels that are joined without having been asked for. */
  readonly announced: boolean;
  /**
   * Told what the past that it asked for cost, where that was anything: the events it is sent, or what had to be read instead.
   * Before `onJoined`; also where it was withdrawn while the log was being read.
   */
  readonly onCost: (events: number) => void;
  /** Called in the block in which the subscriber joins, once it follows the channel. */
  readonly onJoined: (channel: HubChannel) => void;
}
