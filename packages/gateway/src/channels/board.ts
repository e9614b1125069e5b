/**
 * A board that has followers here: the channel's other kind, `state:<name>`. Of each key only the newest value matters,
 * so nothing is replayed: who joins gets the whole board, then each key's newest value at most once per interval.
 *
 *   opening ──► live ⇄ repairing        closed from anywhere
 *
 * Whenever continuity is in doubt the snapshot is read, and merged key by key with what came in meanwhile. Boards parse
 * their events; ordinary channels never do.
 */
import type { ChannelReading, LogReader } from '@belfry/shared/log';
import { comparePositions, isNext, type Position, parsePosition } from '@belfry/shared/protocol';
import type { Backoff, Clock } from '@belfry/shared/service';
import { BoardFollowers } from './board-followers.js';
import type { BoardSettings } from './board-settings.js';
import { type BoardValue, isNewer, pushOf, readValue, removalOf } from './board-value.js';
import type { ChannelObserver, RepairCause } from './channel-options.js';
import { Conflation } from './conflation.js';
import { resyncFrame, stateFrame, subscribedFrame } from './frames.js';
import type { ChannelState, HubChannel, JoinRequest } from './hub-channel.js';
import type { Subscriber } from './subscriber.js';

export interface BoardOptions {
  readonly log: LogReader;
  readonly clock: Clock;
  readonly createBackoff: () => Backoff;
  readonly observer: ChannelObserver;
  readonly settings: BoardSettings;
}

export class Board implements HubChannel {
  readonly name: string;
  #state: ChannelState = 'opening';
  #position: Position = { epoch: 0, offset: 0 };
  #waiting: JoinRequest[] = [];
  /** Who joins as soon as it has read of what was sent before: a dozen boards at once are more than may wait for a client. */
  #crowded: JoinRequest[] = [];
  /** Of those who wait, who has it read once more: others cost nothing. */
  readonly #payers = new Set<JoinRequest>();
  #reading = false;
  /** Up to here nothing is missing. */
  #sureTo: Position = { epoch: 0, offset: 0 };
  /** The first event that came in while the board was opening. */
  #firstHeard: Position | undefined;
  /** Since the snapshot was asked for, something happened that it need not show. */
  #again = false;
  #cause: RepairCause = 'check';
  /** Keys that went while the snapshot was being read: it may still have them. */
  readonly #removedMeanwhile = new Map<string, BoardValue>();
  readonly #conflation: Conflation;
  readonly #followers: BoardFollowers;
  readonly #options: BoardOptions;

  constructor(name: string, options: BoardOptions) {
    const { clock, settings } = options;
    this.name = name;
    this.#options = options;
    this.#followers = new BoardFollowers(settings.observer);
    this.#conflation = new Conflation({
      channel: name,
      intervalMs: settings.intervalMs(name.slice('state:'.length)),
      clock,
      push: (pushes) => this.#followers.push(pushes),
      onConflated: settings.observer.conflated,
    });
  }

  get state(): ChannelState {
    return this.#state;
  }
  get position(): Position {
    return this.#position;
  }
  get followers(): number {
    return this.#followers.size;
  }
  get idle(): boolean {
    return this.#followers.size === 0 && this.#waiting.length === 0 && this.#crowded.length === 0;
  }

  /** Also when the subscription is confirmed anew, which it may be while the log is being read. */
  open(): void {
    if (this.#reading) this.#again = true;
    else void this.#read();
  }

  close(): void {
    this.#state = 'closed';
    this.#waiting = [];
    this.#crowded = [];
    this.#conflation.close();
    this.#followers.clear();
  }

  receive(position: Position, frame: Buffer): void {
    if (this.#state === 'closed') return;
    if (comparePositions(position, this.#position) <= 0) {
      this.#options.observer.ignored(position.epoch < this.#position.epoch ? 'older_epoch' : 'known');
      return;
    }
    const value = this.#valueIn(position, frame.toString('utf8'));
    if (!value) return;
    const first = this.#state === 'opening' && this.#position.epoch === 0;
    const next = first || isNext(this.#position, position);
    if (first) this.#firstHeard = position;
    const cause = position.epoch === this.#position.epoch ? 'hole' : 'epoch';
    this.#position = position;
    // Also across a hole: it is the newest of its key, whatever is missing.
    this.#take(value);
    if (!next) this.#doubt(cause);
    else if (this.#state === 'live') this.#sureTo = position;
  }

  /**
   * A board is joined with its state, so `rewind` does not count, and `after` only where it is ahead of what is known
   * here: who saw more at another gateway, whose link was quicker, is not shown an older state.
   */
  join(request: JoinRequest): boolean {
    if (this.#state === 'live' && !this.#isAhead(request)) return this.#admitWhereRoom(request);
    this.#waiting.push(request);
    if (this.#state === 'live') {
      this.#payers.add(request);
      this.#doubt('check');
    }
    return false;
  }

  #isAhead({ after }: JoinRequest): boolean {
    return after !== undefined && comparePositions(after, this.#position) > 0;
  }

  /** Who comes to a board is always sent what it shows. */
  joinFresh(): boolean {
    return false;
  }

  withdraw(request: JoinRequest, unserved: boolean): boolean {
    if (remove(this.#crowded, request)) return true;
    if (!remove(this.#waiting, request)) return false;
    if (unserved) this.#payers.delete(request);
    return true;
  }

  leave(subscriber: Subscriber): void {
    this.#followers.remove(subscriber);
  }

  check(end: Position | undefined): void {
    if (this.#reading || this.#state === 'opening') this.#again = true;
    else if (this.#state === 'live' && (!end || comparePositions(end, this.#position) !== 0)) this.#doubt('check');
  }

  drained(subscriber: Subscriber): void {
    this.#followers.drained(subscriber, (key) => {
      const value = this.#conflation.missed(key);
      return pushOf(value ?? removalOf(this.name, key, this.#position, this.#options.clock.now() / 1000));
    });
    for (const request of this.#crowded.filter((one) => one.subscriber === subscriber)) {
      // Anew: what was known of the board when it came may be in doubt by now.
      if (remove(this.#crowded, request)) this.join(request);
    }
  }

  /** The state for one who follows already; undefined while it is not known here, and has to be read. */
  stateForFollower(): { position: Position; snapshot: string[] } | undefined {
    if (this.#state !== 'live') {
      this.#conflation.toldUnknown();
      return undefined;
    }
    this.#conflation.toldNewest();
    return { position: this.#position, snapshot: this.#frames() };
  }

  #frames(): string[] {
    return this.#conflation.values().map(({ frame }) => frame);
  }

  #valueIn(position: Position, frame: string): BoardValue | undefined {
    try {
      return readValue(position, frame);
    } catch {
      // Not by a publisher of ours; the log has nothing to say about it either.
      this.#options.observer.ignored('foreign');
      return undefined;
    }
  }

  #take(value: BoardValue): void {
    if (this.#reading && value.removed) this.#removedMeanwhile.set(value.key, value);
    this.#conflation.set(value);
  }

  #doubt(cause: RepairCause): void {
    if (this.#state === 'live') {
      this.#state = 'repairing';
      this.#cause = cause;
    }
    if (this.#reading) this.#again = true;
    else void this.#read();
  }

  async #read(): Promise<void> {
    this.#reading = true;
    const { clock, createBackoff, log } = this.#options;
    let backoff: Backoff | undefined;
    do {
      this.#again = false;
      this.#removedMeanwhile.clear();
      const asOf = this.#position;
      const readFor = new Set(this.#waiting);
      let reading: ChannelReading;
      try {
        reading = await log.read(this.name, { from: undefined, last: 0, snapshot: 'always' });
      } catch {
        // Redis is away; who waits is told so by whoever asked, and the log is read when it is back.
        backoff ??= createBackoff();
        const waitMs = backoff.next();
        await new Promise<void>((resolve) => clock.after(waitMs, resolve));
        this.#again = true;
        continue;
      }
      if (this.#isClosed()) return;
      this.#settle(reading, asOf, readFor);
      // In the turn in which nothing is in doubt any more: what comes a moment later has to be read for anew.
      if (!this.#again) this.#reading = false;
    } while (this.#again && !this.#isClosed());
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  /**
   * @param asOf the board's position when the reading was asked for
   * @param readFor who waited by then; what anybody else saw may be later than the reading
   */
  #settle(reading: ChannelReading, asOf: Position, readFor: ReadonlySet<JoinRequest>): void {
    for (const request of this.#payers) {
      if (readFor.has(request)) request.onCost(1 + (reading.snapshot?.length ?? 0));
      else if (this.#waiting.includes(request)) continue;
      this.#payers.delete(request);
    }
    const values = (reading.snapshot ?? []).flatMap((frame) => this.#valueIn(positionOf(frame), frame) ?? []);
    const opening = this.#state === 'opening';
    // Between the snapshot and the first event heard there may be others that were not heard.
    if (opening && this.#firstHeard && !follows(reading.position, this.#firstHeard)) this.#again = true;
    const lost = !opening && this.#isLost(reading.position, values, asOf);
    if (lost) this.#resync(reading.position, values, asOf);
    else this.#merge(reading.position, values, opening);
    if (!opening && !this.#again) this.#options.observer.repaired(this.#cause, lost ? 'resynced' : 'continued');
    this.#state = this.#again ? 'repairing' : 'live';
    this.#sureTo = this.#again ? reading.position : this.#position;
    if (this.#again) return;
    const waiting = this.#waiting;
    this.#waiting = waiting.filter((request) => !readFor.has(request) && this.#isAhead(request));
    for (const request of this.#waiting) this.#payers.add(request);
    if (this.#waiting.length > 0) this.#doubt('check');
    const later = new Set(this.#waiting);
    for (const request of waiting) if (!later.has(request)) this.#admitWhereRoom(request);
  }

  /** Whether Redis has less than was sent from here. */
  #isLost(position: Position, values: readonly BoardValue[], asOf: Position): boolean {
    if (comparePositions(position, asOf) < 0) return true;
    return values.some((value) => {
      const known = this.#conflation.newest(value.key) ?? this.#removedMeanwhile.get(value.key);
      // What is as old as what is sure here, and not known, was removed: Redis has lost that.
      if (!known) return comparePositions(value.position, this.#sureTo) <= 0;
      return isNewer(known, value) && comparePositions(known.position, position) <= 0;
    });
  }

  #merge(position: Position, values: readonly BoardValue[], opening: boolean): void {
    const keys = new Set<string>();
    for (const value of values) {
      keys.add(value.key);
      const known = this.#conflation.newest(value.key) ?? this.#removedMeanwhile.get(value.key);
      if (known && !isNewer(value, known)) continue;
      if (opening) this.#conflation.load(value);
      else this.#conflation.set(value);
    }
    const timestamp = this.#options.clock.now() / 1000;
    for (const { key, position: known } of this.#conflation.values()) {
      if (keys.has(key) || comparePositions(known, position) > 0) continue;
      this.#conflation.set(removalOf(this.name, key, position, timestamp));
    }
    if (comparePositions(position, this.#position) > 0) this.#position = position;
  }

  #resync(position: Position, values: readonly BoardValue[], asOf: Position): void {
    const later = comparePositions(position, asOf) > 0 ? position : asOf;
    const since = [...this.#removedMeanwhile.values(), ...this.#conflation.since(later)];
    this.#conflation.restart(values);
    this.#followers.sendAll([resyncFrame(this.name, position), stateFrame(this.name, position, this.#frames())]);
    for (const value of since) {
      const known = this.#conflation.newest(value.key);
      if (comparePositions(value.position, later) > 0 && (!known || isNewer(value, known))) this.#conflation.set(value);
    }
    if (comparePositions(this.#position, asOf) <= 0) this.#position = position;
  }

  /** False where the subscriber has to read first. */
  #admitWhereRoom(request: JoinRequest): boolean {
    const { hasRoom } = request;
    if (hasRoom) this.#admit(request);
    else this.#crowded.push(request);
    return hasRoom;
  }

  /** One synchronous block, as in `Channel`: an `await` in here would be a gap. */
  #admit(request: JoinRequest): void {
    const { subscriber } = request;
    subscriber.together(() => {
      if (request.announced) subscriber.send(subscribedFrame(this.name, this.#position, 0, false, request.ref));
      subscriber.send(stateFrame(this.name, this.#position, this.#frames()));
      this.#followers.add(subscriber);
      request.onJoined(this);
    });
    this.#conflation.toldNewest();
    this.#options.observer.joined('fresh', 0);
  }
}

function remove(requests: JoinRequest[], request: JoinRequest): boolean {
  const index = requests.indexOf(request);
  if (index !== -1) requests.splice(index, 1);
  return index !== -1;
}

/** Snapshot entries begin with their position, like all events. */
const positionOf = (frame: string): Position =>
  parsePosition(/^\{"id":"([^"]*)"/.exec(frame)?.[1]) ?? { epoch: 0, offset: 0 };

/** Whether nothing can be missing between a snapshot at `position` and events from `first` on. */
const follows = (position: Position, first: Position): boolean =>
  comparePositions(first, position) <= 0 || isNext(position, first);
