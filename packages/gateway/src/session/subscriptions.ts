/** The channels of one session: those it follows, and those it waits to join. */
import { formatPosition, isBoard, type Position, type Ref } from '@belfry/shared/protocol';
import type { Clock } from '@belfry/shared/service';
import type { Hub } from '../channels/hub.js';
import type { HubChannel, JoinRequest } from '../channels/hub-channel.js';
import type { Frame, Subscriber } from '../channels/subscriber.js';
import { PacedReplay } from './paced-replay.js';
import type { Socket } from './socket.js';

/** What channels that are asked for together are joined with. */
export interface JoinOptions {
  readonly rewind: number | undefined;
  readonly ref: Ref | undefined;
  /**
   * When SUBSCRIBED is sent. `late`: only where joining took long, for channels that were not asked for. The client was told of
   * them before, and from here on it knows from where their events come.
   */
  readonly announced: 'always' | 'late' | 'never';
  /** Told what the past of a channel cost, in events, where it cost anything. */
  readonly onCost: ((events: number) => void) | undefined;
  /**
   * True for channels that the client was promised: it waits for them however long that takes, and is not told while Redis is away;
   * otherwise for `waitMs` at most.
   */
  readonly patient: boolean;
  /** Called once for each channel. */
  readonly onOutcome: (outcome: JoinOutcome, channel: string) => void;
  /** Goes on with a replay that was stopped for want of room. */
  readonly continued?: boolean;
}

/** What joining needs of the gateway. */
export interface JoinParts {
  readonly hub: Hub;
  readonly clock: Clock;
  readonly waitMs: number;
  /** Bytes that may wait for the client while it is replayed to. */
  readonly replayBytes: number;
}

/** A replay that was stopped, until the client has read. */
interface Stopped {
  readonly after: Position;
  readonly parts: JoinParts;
}

/** A join to go back to. */
interface Standing {
  readonly after: Position | undefined;
  readonly options: JoinOptions;
}

export type JoinOutcome = 'joined' | 'unavailable' | 'withdrawn';

/** Sends to the client, and minds a client that is too slow. */
export interface Sender {
  /** False from the moment on in which nothing is sent any more. */
  readonly isOpen: boolean;
  sendFrame(frame: Frame): void;
}

/** Redis confirms a channel within milliseconds, and within a second when ten thousand clients come at once. */
const LONG_MS = 1_000;
/** While Redis is away, joining takes long from the beginning. */
const LONG_AGO = Number.NEGATIVE_INFINITY;
const NOTHING: readonly never[] = [];
/** Of a replay, or of following, that goes on. */
const CONTINUED: JoinOptions = {
  rewind: undefined,
  ref: undefined,
  announced: 'never',
  patient: true,
  onCost: undefined,
  continued: true,
  onOutcome: () => undefined,
};
const NONE_STOPPED: ReadonlyMap<string, Stopped> = new Map();

export class Subscriptions implements Subscriber {
  /** Arrays, not sets: most sessions have a handful of channels, and ten thousand sessions have ten thousand of these. */
  #followed: readonly HubChannel[] = NOTHING;
  #waiting: readonly Joining[] = NOTHING;
  /** `#followed`, while many are joined in one block. */
  #growing: HubChannel[] | undefined;
  #stopped = NONE_STOPPED;
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
  /** Not where nothing is sent any more: what was to come first has not reached the client, and would be missing for ever. */
  follow(channel: string): void {
    if (this.#sender.isOpen) this.#socket.follow(channel);
  }
  /** None where nothing is sent any more: the socket may be gone. */
  get bufferedBytes(): number {
    return this.#sender.isOpen ? this.#socket.bufferedBytes : 0;
  }

  /** The client has read of what waited for it. True where that let a replay go on. */
  drained(): boolean {
    for (const channel of this.#followed) channel.drained(this);
    for (const { channel } of this.#waiting) channel?.drained(this);
    let wentOn = false;
    for (const [name, { after, parts }] of this.#stopped) {
      if (this.bufferedBytes > parts.replayBytes / 2) break;
      wentOn = true;
      this.#goOn(name, after, parts);
    }
    return wentOn;
  }

  #goOn(name: string, after: Position, parts: JoinParts): void {
    this.join(name, after, parts, parts.hub.channels.get(name), CONTINUED);
  }

  #standsOn(channel: HubChannel): Standing | undefined {
    for (const joining of this.#waiting) if (joining.channel === channel) return joining.standing;
    return { after: this.#stopped.get(channel.name)?.after ?? channel.position, options: CONTINUED };
  }

  goBack(name: string, { after, options }: Standing, parts: JoinParts): void {
    this.join(name, after, parts, parts.hub.channels.get(name), options);
  }

  /** A replay had no room: nothing comes on the channel before it goes on. */
  stopped(name: string, after: Position, parts: JoinParts): void {
    this.#stopped = new Map(this.#stopped).set(name, { after, parts });
  }

  #forgetStopped(name: string): void {
    if (!this.#stopped.has(name)) return;
    const rest = new Map(this.#stopped);
    rest.delete(name);
    this.#stopped = rest.size === 0 ? NONE_STOPPED : rest;
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
   * Joins a channel; one that is followed already is joined anew, from `after`. Where that comes to nothing as Redis is away, it
   * is followed on from where it was: it is what the client takes for granted.
   * @param present the channel, where it lives in the hub already
   */
  join(
    name: string,
    after: Position | undefined,
    parts: JoinParts,
    present: HubChannel | undefined,
    options: JoinOptions,
  ): void {
    let before: Standing | undefined;
    if (present && this.#wants(present)) {
      before = this.#standsOn(present);
      this.leave(name);
    }
    const joining = new Joining(present?.name ?? name, this, after, options, parts, before);
    const channel = present ?? parts.hub.open(name);
    if (channel.join(joining)) return;
    this.#waiting = this.#waiting.concat(joining);
    joining.waitIn(channel);
  }

  /**
   * The same where it takes no more than a word: no past, a channel that lives here, and nothing the client waits for.
   * False when it takes more; then nothing has happened.
   */
  joinFresh(present: HubChannel, announced: boolean): boolean {
    if (this.#wants(present)) return false;
    if (!present.joinFresh(this, announced)) return false;
    this.#add(present);
    return true;
  }

  /** What is wanted lives in the hub: with thousands of joins a second, comparing objects is cheaper than names. */
  #wants(channel: HubChannel): boolean {
    for (const joining of this.#waiting) if (joining.channel === channel) return true;
    return this.#followed.includes(channel);
  }

  /** Runs a block of joins: the list of channels is made anew once, and not for each. */
  joinMany(joins: () => void): void {
    const growing = [...this.#followed];
    this.#growing = growing;
    this.#followed = growing;
    joins();
    // A channel that was left meanwhile has ended it.
    if (this.#growing !== growing) return;
    this.#growing = undefined;
    this.#followed = growing.length === 0 ? NOTHING : growing.slice();
  }

  /** A join has come to its end; `followed` where it joined. */
  settled(joining: Joining, followed: HubChannel | undefined): void {
    if (followed) this.#add(followed);
    if (this.#waiting.includes(joining)) this.#waiting = without(this.#waiting, joining);
  }

  #add(followed: HubChannel): void {
    if (this.#growing) this.#growing.push(followed);
    // Not spread or pushed: both make room for seventeen.
    else this.#followed = this.#followed.length === 0 ? [followed] : this.#followed.concat(followed);
  }

  /** Leaves a channel, or stops waiting for it. False when the session had nothing to do with it. */
  leave(name: string): boolean {
    this.#forgetStopped(name);
    const waiting = this.#waiting.find((entry) => entry.name === name);
    waiting?.giveUp('withdrawn');
    const channel = this.#followed.find((followed) => followed.name === name);
    if (!channel) return waiting !== undefined;
    this.#growing = undefined;
    this.#followed = without(this.#followed, channel);
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
    this.#stopped = NONE_STOPPED;
    for (const waiting of this.#waiting) waiting.giveUp('withdrawn');
    for (const channel of this.#followed) channel.leave(this);
    this.#growing = undefined;
    this.#followed = NOTHING;
  }

  /** For looking into: where each followed channel stands. */
  positions(): Record<string, string> {
    return Object.fromEntries(this.#followed.map((channel) => [channel.name, formatPosition(channel.position)]));
  }
}

function without<T>(list: readonly T[], item: T): readonly T[] {
  if (list.length === 1 && list[0] === item) return NOTHING;
  return list.filter((entry) => entry !== item);
}

/** One channel being joined. A class, not closures: ten thousand clients that come back make a hundred thousand of these. */
class Joining implements JoinRequest {
  readonly name: string;
  readonly subscriber: Subscriptions;
  readonly replay: PacedReplay | undefined;
  readonly after: Position | undefined;
  readonly #options: JoinOptions;
  readonly #parts: JoinParts;
  readonly #before: Standing | undefined;
  #settled = false;
  /** Where it waits. */
  channel: HubChannel | undefined;
  #waitsSince = LONG_AGO;
  #cancelTimer: (() => void) | undefined;

  constructor(
    name: string,
    subscriber: Subscriptions,
    after: Position | undefined,
    options: JoinOptions,
    parts: JoinParts,
    before: Standing | undefined,
  ) {
    this.name = name;
    this.subscriber = subscriber;
    this.#parts = parts;
    // Who has no past is replayed nothing; boards leave out by themselves what a slow client has no room for.
    const replays = (after !== undefined || options.rewind !== undefined) && !isBoard(name);
    this.replay = replays
      ? new PacedReplay(subscriber, name, parts.replayBytes, options.continued ?? false)
      : undefined;
    this.after = after;
    this.#options = options;
    this.#before = before;
  }

  /** What the client still has where another join takes the place of this one, and comes to nothing. */
  get standing(): Standing | undefined {
    return this.#options.patient ? { after: this.after, options: this.#options } : this.#before;
  }

  get rewind(): number | undefined {
    return this.#options.rewind;
  }
  get ref(): Ref | undefined {
    return this.#options.ref;
  }
  get hasRoom(): boolean {
    return this.subscriber.bufferedBytes <= this.#parts.replayBytes / 2;
  }
  get announced(): boolean {
    const { announced } = this.#options;
    return announced === 'always' || (announced === 'late' && this.#tookLong());
  }

  #tookLong(): boolean {
    return this.channel !== undefined && this.#parts.clock.now() - this.#waitsSince >= LONG_MS;
  }

  /** It was not joined at once. No timer for who was not asked for: when many come at once, timers cost more than waiting. */
  waitIn(channel: HubChannel): void {
    this.channel = channel;
    const { clock, hub, waitMs } = this.#parts;
    if (hub.link.whole) this.#waitsSince = clock.now();
    if (!this.#options.patient) this.#cancelTimer = clock.after(waitMs, () => this.#giveUpInTime());
  }

  /** Who has yet to read what was sent before waits for itself, and not for Redis. */
  #giveUpInTime(): void {
    const { clock, waitMs } = this.#parts;
    if (this.hasRoom) this.giveUp('unavailable');
    else this.#cancelTimer = clock.after(waitMs, () => this.#giveUpInTime());
  }

  onCost(events: number): void {
    this.#options.onCost?.(events);
  }

  onJoined(followed: HubChannel): void {
    const stoppedAt = this.replay?.stoppedAt;
    // Before the outcome is told: what waits behind the command may be what leaves the channel again.
    if (stoppedAt) this.subscriber.stopped(this.name, stoppedAt, this.#parts);
    this.#settle('joined', followed);
  }

  giveUp(outcome: JoinOutcome): void {
    if (this.channel?.withdraw(this, outcome === 'unavailable')) this.#settle(outcome, undefined);
  }

  #settle(outcome: JoinOutcome, followed: HubChannel | undefined): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#cancelTimer?.();
    this.subscriber.settled(this, followed);
    // Before it is told: what waits behind the command may be what leaves the channel.
    if (outcome === 'unavailable' && this.#before) this.subscriber.goBack(this.name, this.#before, this.#parts);
    this.#options.onOutcome(outcome, this.name);
  }
}
