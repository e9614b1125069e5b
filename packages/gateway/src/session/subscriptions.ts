/** The channels of one session: those it follows, and those it waits to join. */
import { formatPosition, type ParsedChannel, type Position, type Ref } from '@belfry/shared/protocol';
import type { Clock } from '@belfry/shared/service';
import type { Hub } from '../channels/hub.js';
import type { HubChannel, JoinRequest } from '../channels/hub-channel.js';
import type { Frame, Subscriber } from '../channels/subscriber.js';
import type { Socket } from './socket.js';

export interface JoinOptions {
  readonly after: Position | undefined;
  readonly rewind: number | undefined;
  readonly ref: Ref | undefined;
  /** False for channels that are joined without having been asked for: no SUBSCRIBED is sent. */
  readonly announced: boolean;
  /** Told how many events were sent for it. */
  readonly onReplayed?: (events: number) => void;
}

export type JoinOutcome = 'joined' | 'unavailable' | 'withdrawn';

interface Waiting {
  readonly name: string;
  readonly giveUp: (outcome: JoinOutcome) => void;
}

/** Sends to the client, and minds a client that is too slow. */
export interface Sender {
  sendFrame(frame: Frame): void;
}

const NOTHING: readonly never[] = [];

export class Subscriptions implements Subscriber {
  /** Arrays, not sets: most sessions have a handful of channels, and ten thousand sessions have ten thousand of these. */
  #followed: readonly HubChannel[] = NOTHING;
  #waiting: readonly Waiting[] = NOTHING;
  readonly #socket: Socket;
  readonly #sender: Sender;

  constructor(socket: Socket, sender: Sender) {
    this.#socket = socket;
    this.#sender = sender;
  }

  get size(): number {
    return this.#followed.length + this.#waiting.length;
  }

  send(frame: Frame): void {
    this.#sender.sendFrame(frame);
  }
  together(block: () => void): void {
    this.#socket.together(block);
  }
  follow(channel: string): void {
    this.#socket.follow(channel);
  }
  get bufferedBytes(): number {
    return this.#socket.bufferedBytes;
  }

  /** The client has read what waited for it. */
  drained(): void {
    for (const channel of this.#followed) channel.drained(this);
  }

  names(): string[] {
    return this.#followed.map(({ name }) => name);
  }

  /** With those that it waits to join. */
  wanted(): string[] {
    return [...this.names(), ...this.#waiting.map(({ name }) => name)];
  }

  has(name: string): boolean {
    return this.wanted().includes(name);
  }

  /**
   * Joins a channel; one that is followed already is joined anew, from `after`. `onOutcome` is called once, at once or
   * after at most `waitMs`.
   */
  join(
    channel: ParsedChannel,
    options: JoinOptions,
    parts: { readonly hub: Hub; readonly clock: Clock; readonly waitMs: number },
    onOutcome: (outcome: JoinOutcome) => void,
  ): void {
    const name = channel.channel;
    this.leave(name);
    let joinedChannel: HubChannel | undefined;
    let settled = false;
    let cancelTimer: (() => void) | undefined;
    const settle = (outcome: JoinOutcome): void => {
      if (settled) return;
      settled = true;
      cancelTimer?.();
      this.#waiting = this.#waiting.filter((entry) => entry !== waiting);
      onOutcome(outcome);
    };
    const waiting: Waiting = {
      name,
      giveUp: (outcome) => {
        if (joinedChannel?.withdraw(request)) settle(outcome);
      },
    };
    const request: JoinRequest = {
      subscriber: this,
      after: options.after,
      rewind: options.rewind,
      ref: options.ref,
      announced: options.announced,
      onJoined: (followed, replayed) => {
        options.onReplayed?.(replayed);
        this.#followed = [...this.#followed, followed];
        settle('joined');
      },
    };
    const result = parts.hub.join(name, request);
    joinedChannel = result.channel;
    if (result.joined) return;
    this.#waiting = [...this.#waiting, waiting];
    cancelTimer = parts.clock.after(parts.waitMs, () => waiting.giveUp('unavailable'));
  }

  /** Leaves a channel, or stops waiting for it. False when the session had nothing to do with it. */
  leave(name: string): boolean {
    const waiting = this.#waiting.find((entry) => entry.name === name);
    waiting?.giveUp('withdrawn');
    const channel = this.#followed.find((followed) => followed.name === name);
    if (!channel) return waiting !== undefined;
    this.#followed = this.#followed.filter((followed) => followed !== channel);
    this.#socket.unfollow(name);
    channel.leave(this);
    return true;
  }

  /** Stops listening to everything, for a client that must not get another event. */
  leaveAll(): void {
    for (const name of this.names()) this.leave(name);
    this.forget();
  }

  /** The connection is gone: lets go of everything, and touches the socket no more. */
  forget(): void {
    for (const waiting of this.#waiting) waiting.giveUp('withdrawn');
    for (const channel of this.#followed) channel.leave(this);
    this.#followed = NOTHING;
  }

  /** For looking into: where each followed channel stands. */
  positions(): Record<string, string> {
    return Object.fromEntries(this.#followed.map((channel) => [channel.name, formatPosition(channel.position)]));
  }
}
