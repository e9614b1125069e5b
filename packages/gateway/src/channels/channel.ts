/**
 * A channel that has subscribers here: the order of its events, their tail, who waits to join, and repair. How its
 * followers come, are reached and go is in `followed-channel.ts`.
 *
 *   opening ──► live ⇄ repairing        closed from anywhere
 *
 * opening    subscribed on the link, the log is being read; what arrives is held
 * live       every event is the next one; it is passed on and kept in the tail
 * repairing  continuity is in doubt (a hole, a new epoch, the link was down): the log is being read, what arrives is held
 *
 * There is one reading of the log at a time, however many wait for it. Whatever needs the log says so in `need`, and
 * every reading is settled against what is known by then.
 */

import type { ChannelReading, ReadRequest } from '@belfry/shared/log';
import { comparePositions, isNext, type Position } from '@belfry/shared/protocol';
import type { Backoff } from '@belfry/shared/service';
import type { RepairCause } from './channel-options.js';
import { missingAfter, readingFor } from './continuity.js';
import { FollowedChannel } from './followed-channel.js';
import { resyncFrame, stateFrame } from './frames.js';
import type { ChannelState, HubChannel, JoinRequest } from './hub-channel.js';
import type { Frame, Subscriber } from './subscriber.js';
import { createTail, type Tail } from './tail.js';

/** Of most channels, most of the time. Never added to. */
const NOBODY = new Set<JoinRequest>();
const NOBODY_GONE: JoinRequest[] = [];
const NOTHING_HELD: Held[] = [];

interface Held {
  readonly position: Position;
  readonly frame: Frame;
}

export class Channel extends FollowedChannel implements HubChannel {
  #state: ChannelState = 'opening';
  #position: Position = { epoch: 0, offset: 0 };
  #held = NOTHING_HELD;
  #waiting = NOBODY;
  /** Who asked for a past, and went while the log was being read: not to wait for the answer must not make it free. */
  #gone = NOBODY_GONE;
  #reading = false;
  #cause: RepairCause = 'check';
  /** The link was down, or more came in than could be held, while the log was being read. */
  #doubted = false;
  /** A reading found no continuity, and brought no snapshot to answer with. */
  #snapshotNeeded = false;
  /** Only once there is something in it. Without one the channel knows its own position, and nothing before it. */
  #tail: Tail | undefined;

  get state(): ChannelState {
    return this.#state;
  }
  get position(): Position {
    return this.#position;
  }
  /** True when nobody follows and nobody waits to. */
  get idle(): boolean {
    return this.followers === 0 && this.#waiting.size === 0;
  }

  /** The link has confirmed the subscription: read where the channel stands. */
  open(): void {
    this.#readWhileNeeded();
  }

  override close(): void {
    super.close();
    this.#state = 'closed';
    this.#held = NOTHING_HELD;
    this.#waiting = NOBODY;
    this.#tail?.restart(this.#position);
  }

  /** An event came in over the link. `frame` is copied where it is kept. */
  receive(position: Position, frame: Buffer): void {
    if (this.#state === 'live') this.#take(position, frame);
    else if (this.#state !== 'closed') this.#hold(position, frame);
    this.options.budget.enforce();
  }

  /**
   * Joins at once where the tail allows it, in one synchronous block: SUBSCRIBED, the replay, follow. Nothing can be
   * published in between, so there is neither gap nor double. Otherwise waits for one reading of the log.
   * @returns false when the request has to wait; `withdraw` takes it back
   */
  join(request: JoinRequest): boolean {
    if (this.#state === 'live' && this.#joinFromTail(request)) return true;
    this.#wait(request);
    if (this.#state !== 'opening') this.#readWhileNeeded();
    return false;
  }

  joinFresh(subscriber: Subscriber, announced: boolean): boolean {
    if (this.#state !== 'live') return false;
    this.admitFresh(subscriber, announced, this.#position);
    return true;
  }

  /** Takes a waiting request back; false when it is not waiting any more. */
  withdraw(request: JoinRequest, unserved: boolean): boolean {
    if (!this.#waiting.delete(request)) return false;
    if (unserved || !this.#reading || !hasPast(request)) return true;
    if (this.#gone === NOBODY_GONE) this.#gone = [];
    this.#gone.push(request);
    return true;
  }

  #wait(request: JoinRequest): void {
    if (this.#waiting === NOBODY) this.#waiting = new Set();
    this.#waiting.add(request);
  }

  /** What waits for a follower is in the transport's hands: an event is never left out. */
  drained(): void {
    // Nothing to send.
  }

  /** The link missed something, perhaps: compares with the log's end, which is undefined where there is no log. */
  check(end: Position | undefined): void {
    // A reading that is under way may have been made before the link was whole again.
    if (this.#reading || this.#state === 'opening') this.#doubted = true;
    else if (this.#state === 'live' && (!end || comparePositions(end, this.#position) !== 0)) this.#repair('check');
  }

  #take(position: Position, frame: Frame): void {
    if (isNext(this.#position, position)) {
      this.#deliver(position, frame);
      return;
    }
    const order = comparePositions(position, this.#position);
    if (order <= 0) {
      this.options.observer.ignored(position.epoch < this.#position.epoch ? 'older_epoch' : 'known');
      return;
    }
    this.#hold(position, frame);
    this.#repair(position.epoch === this.#position.epoch ? 'hole' : 'epoch');
  }

  #deliver(position: Position, frame: Frame): void {
    const before = this.#position;
    this.#position = position;
    this.#tailFrom(before).push(position, frame);
    if (this.followers === 0) return;
    this.publish(frame);
    this.options.observer.delivered(this.followers, frame.length);
  }

  #hold(position: Position, frame: Frame): void {
    if (this.#held === NOTHING_HELD) this.#held = [];
    if (this.#held.length < this.options.maxHeld) this.#held.push({ position, frame: copyOf(frame) });
    else this.#doubted = true;
  }

  /** The tail; where there is none yet, one that begins behind `position`. */
  #tailFrom(position: Position): Tail {
    if (!this.#tail) {
      const tail = createTail(this.options.tailEvents, this.options.budget);
      tail.restart(position);
      tail.pinned = this.#reading;
      this.#tail = tail;
    }
    return this.#tail;
  }

  /** What follows `position`; undefined when that is not known here. */
  #after(position: Position): Frame[] | undefined {
    if (this.#tail) return this.#tail.after(position);
    return comparePositions(position, this.#position) === 0 ? [] : undefined;
  }

  #repair(cause: RepairCause): void {
    this.#state = 'repairing';
    this.#cause = cause;
    this.#readWhileNeeded();
  }

  /** What the log has to be read for now; undefined when for nothing. */
  #need(): ReadRequest | undefined {
    if (this.#state === 'live' && this.#waiting.size === 0) return undefined;
    return readingFor(this.#state === 'opening' ? undefined : this.#position, this.#waiting, this.#snapshotNeeded);
  }

  #readWhileNeeded(): void {
    if (this.#reading) return;
    this.#reading = true;
    void this.#readLoop();
  }

  async #readLoop(): Promise<void> {
    try {
      const { clock, createBackoff, log } = this.options;
      let backoff: Backoff | undefined;
      for (let request = this.#need(); request && this.#state !== 'closed'; request = this.#need()) {
        const asOf = this.#position;
        const heldBefore = this.#held.length;
        this.#gone = NOBODY_GONE;
        // On a busy channel an emptied tail would no more reach back to where the reading ends.
        if (this.#tail) this.#tail.pinned = true;
        let reading: ChannelReading;
        try {
          reading = await log.read(this.name, request);
        } catch {
          if (this.#tail) this.#tail.pinned = false;
          // Redis is away; who waits is told so by whoever asked, and the log is read when it is back.
          backoff ??= createBackoff();
          const waitMs = backoff.next();
          await new Promise<void>((resolve) => clock.after(waitMs, resolve));
          // Perhaps nobody waits for the reading any more: the doubt does.
          this.#heedDoubt();
          continue;
        }
        backoff = undefined;
        for (const request of this.#gone) request.onCost(1 + this.#shareOf(reading.entries.length + stateOf(reading)));
        if (this.#isClosed()) return;
        // What came in before the log was asked is in the answer, or Redis has lost it: nobody saw it, nobody misses it.
        if (heldBefore > 0) this.#held.splice(0, heldBefore);
        this.#settle(request, reading, asOf);
        if (this.#tail) this.#tail.pinned = false;
        this.options.budget.enforce();
      }
    } finally {
      // Once, and in the same turn in which nothing was needed any more: a moment later, what is needed next would not be
      // read, or the reading for it not be known.
      this.#reading = false;
      this.#gone = NOBODY_GONE;
    }
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  /** @param asOf the channel's position when the reading was asked for */
  #settle(request: ReadRequest, reading: ChannelReading, asOf: Position): void {
    this.#snapshotNeeded = false;
    if (this.#state === 'opening') this.#begin(request, reading);
    else if (!this.#catchUp(request, reading, asOf)) return;
    this.#heedDoubt();
    this.#drainHeld();
    if (this.#state === 'live') this.#serveWaiting(reading);
  }

  /** Something may have been missed during the last reading: there has to be another one. */
  #heedDoubt(): void {
    if (!this.#doubted || this.#state === 'opening' || this.#state === 'closed') return;
    this.#doubted = false;
    this.#repair('check');
  }

  #begin(request: ReadRequest, reading: ChannelReading): void {
    this.#state = 'live';
    this.#position = reading.position;
    this.#tail?.restart(reading.position);
    this.#extendTail(request, reading);
  }

  /** Brings the channel from its position to the reading's. False when another reading has to come first. */
  #catchUp(request: ReadRequest, reading: ChannelReading, asOf: Position): boolean {
    // Redis published what we know before it answered: a log that ends before that has lost it.
    const lost = comparePositions(reading.position, asOf) < 0;
    const missing = lost ? undefined : missingAfter(this.#position, request, reading);
    if (!missing) return this.#resync(request, reading);
    for (const entry of missing) {
      if (entry.frame === undefined) {
        this.#position = entry.position;
        this.#tail?.pass(entry.position);
      } else this.#deliver(entry.position, entry.frame);
    }
    this.#extendTail(request, reading);
    if (this.#state === 'repairing') {
      this.#state = 'live';
      this.options.observer.repaired(this.#cause, 'continued');
    }
    return true;
  }

  /** Continuity is lost: everybody gets RESYNC and STATE, from one reading. False when it brought no snapshot. */
  #resync(request: ReadRequest, reading: ChannelReading): boolean {
    if (this.#state === 'live') {
      this.#state = 'repairing';
      this.#cause = 'check';
    }
    if (!reading.snapshot) {
      this.#snapshotNeeded = true;
      return false;
    }
    this.#position = reading.position;
    this.#tail?.restart(reading.position);
    this.#extendTail(request, reading);
    if (this.followers > 0) {
      this.publish(resyncFrame(this.name, reading.position));
      this.publish(stateFrame(this.name, reading.position, reading.snapshot));
    }
    this.#state = 'live';
    this.options.observer.repaired(this.#cause, 'resynced');
    return true;
  }

  #extendTail(request: ReadRequest, reading: ChannelReading): void {
    if (reading.entries.length === 0 && !reading.continuous) return;
    // A reading that is not continuous is one of the whole log: nothing stands before its first entry.
    this.#tailFrom(this.#position).extend(reading.continuous ? request.from : undefined, reading.entries);
  }

  #drainHeld(): void {
    const held = this.#held;
    this.#held = NOTHING_HELD;
    for (const { position, frame } of held) {
      if (this.#state === 'live') this.#take(position, frame);
      else this.#hold(position, frame);
    }
  }

  /** Of what one reading brought, for one of those for whom it was made. */
  #shareOf(entries: number): number {
    let askers = this.#gone.length;
    for (const request of this.#waiting) if (hasPast(request)) askers += 1;
    return Math.ceil(entries / Math.max(1, askers));
  }

  #serveWaiting(reading: ChannelReading): void {
    const read = this.#shareOf(reading.entries.length);
    for (const request of [...this.#waiting]) {
      // Whoever is served may do something on hearing so that makes another one leave.
      if (!this.#waiting.delete(request)) continue;
      if (this.#joinFromTail(request, read) || this.#joinFromSnapshot(request, reading, read)) continue;
      this.#wait(request);
      if (request.after) this.#snapshotNeeded = true;
    }
    if (this.#waiting.size === 0) this.#waiting = NOBODY;
  }

  /** @param read entries that had to be read for it */
  #joinFromTail(request: JoinRequest, read = 0): boolean {
    const { after, rewind } = request;
    const replay = after ? this.#after(after) : rewind ? this.#tail?.last(rewind) : [];
    if (!replay) return false;
    // Of what is read for the last few, most is sent to nobody.
    const cost = rewind ? Math.max(replay.length, read) : replay.length;
    this.admit(request, this.#position, replay, after || rewind ? true : undefined, undefined, cost);
    return true;
  }

  #joinFromSnapshot(request: JoinRequest, reading: ChannelReading, read: number): boolean {
    const since = reading.snapshot ? this.#after(reading.position) : undefined;
    if (!since || !reading.snapshot) return false;
    const state = stateFrame(this.name, reading.position, reading.snapshot);
    this.admit(request, reading.position, since, false, state, 1 + read + stateOf(reading) + since.length);
    return true;
  }
}

const hasPast = ({ after, rewind }: JoinRequest): boolean => after !== undefined || rewind !== undefined;

const stateOf = ({ snapshot }: ChannelReading): number => snapshot?.length ?? 0;

/** Frames from the link are views on the connection's buffer: one kept frame would keep all of it. */
const copyOf = (frame: Frame): Frame => (typeof frame === 'string' ? frame : Buffer.from(frame));
