/**
 * A tail: a gateway's copy of the end of a channel's log, from which clients that come back are served without asking
 * Redis. Contiguous: it holds everything between its start and the channel's position, or nothing.
 */
import type { Position } from '@belfry/shared/protocol';
import { FrameRing } from './frame-ring.js';
import type { Frame } from './subscriber.js';

export interface TailEntry {
  readonly position: Position;
  /** Undefined for the mark with which an epoch begins. */
  readonly frame: Frame | undefined;
}

export interface Tail {
  /**
   * What follows `position`; undefined when the tail does not hold that position. Like those of `last`, the frames are views
   * on memory that is used again: good until the next `push`.
   */
  after(position: Position): Frame[] | undefined;
  /** The last `count` events; undefined when the tail holds fewer and the log may hold more. */
  last(count: number): Frame[] | undefined;
  /** Keeps a copy of the frame. */
  push(position: Position, frame: Frame): void;
  /** The log has an entry there that is no event. */
  pass(position: Position): void;
  /**
   * Takes over a reading of the log: `entries` follow `start` and end at or before the tail's end.
   * @param start the position before the first entry; undefined when the log begins with the first entry
   */
  extend(start: Position | undefined, entries: readonly TailEntry[]): void;
  /** Starts over at `position`. */
  restart(position: Position): void;
  /** Forgets its entries: the log still has them. */
  clear(): void;
  /** Somebody waits for a reading that has to meet what is held here: it stays, whatever the budget, until then. */
  pinned: boolean;
  readonly bytes: number;
}

/** Keeps the sum of all tails of a process below a budget by emptying the oldest ones: the log still has what they had. */
export interface TailBudget {
  readonly bytes: number;
  /** @param change of the tail's `bytes`, which has been made */
  changed(tail: Tail, change: number): void;
  /** Empties tails, oldest first, until the sum fits. */
  enforce(): void;
}

export function createTailBudget(maxBytes: number): TailBudget {
  /** Tails that hold anything, in the order in which they began to. */
  const holding = new Set<Tail>();
  let total = 0;
  return {
    get bytes() {
      return total;
    },
    changed(tail, change) {
      total += change;
      if (tail.bytes === 0) holding.delete(tail);
      else holding.add(tail);
    },
    enforce() {
      if (total <= maxBytes) return;
      for (const tail of holding) {
        if (total <= maxBytes) return;
        if (!tail.pinned) tail.clear();
      }
    },
  };
}

/** Of the tail itself, beside its frames. */
const OVERHEAD = 250;

/** Positions in a row within one epoch: where it stands before its first event, and how many follow. */
interface Run {
  readonly epoch: number;
  before: number;
  events: number;
}

/** A class: there may be one for each of a hundred thousand channels. */
class EventTail implements Tail {
  bytes = 0;
  pinned = false;
  #frames = new FrameRing();
  /** One, but for a tail that goes over from one epoch to the next. */
  #runs: Run[] = [];
  /** Whether the log itself begins with the first event. */
  #whole = true;
  readonly #maxEvents: number;
  readonly #budget: TailBudget;

  constructor(maxEvents: number, budget: TailBudget) {
    this.#maxEvents = maxEvents;
    this.#budget = budget;
  }

  after(position: Position): Frame[] | undefined {
    const index = this.#indexAfter(position);
    return index === -1 ? undefined : this.#frames.from(index);
  }

  last(count: number): Frame[] | undefined {
    const { length } = this.#frames;
    if (length < count && !this.#whole) return undefined;
    return this.#frames.from(Math.max(0, length - count));
  }

  push(position: Position, frame: Frame): void {
    // Before there is one more: what it leaves is room for the new one.
    if (this.#frames.length >= this.#maxEvents) this.#dropOldest();
    this.#add(position, frame);
    this.#account();
  }

  pass({ epoch, offset }: Position): void {
    this.#runs.push({ epoch, before: offset, events: 0 });
  }

  extend(start: Position | undefined, read: readonly TailEntry[]): void {
    const lastRead = read.at(-1)?.position ?? start;
    const index = lastRead ? this.#indexAfter(lastRead) : -1;
    if (index === -1 || read.length < index) return;
    const kept = this.#entriesFrom(index);
    this.#begin(start);
    for (const { position, frame } of read) {
      if (frame === undefined) this.pass(position);
      else this.#add(position, frame);
    }
    for (const { position, frame } of kept) this.#add(position, frame);
    this.#account();
  }

  restart(position: Position): void {
    this.#begin(position);
    this.#account();
  }

  clear(): void {
    const last = this.#runs.at(-1);
    if (last) this.restart({ epoch: last.epoch, offset: last.before + last.events });
  }

  #begin(start: Position | undefined): void {
    this.#frames = new FrameRing();
    this.#runs = start ? [{ epoch: start.epoch, before: start.offset, events: 0 }] : [];
    this.#whole = start === undefined;
  }

  #add({ epoch, offset }: Position, frame: Frame): void {
    const run = this.#runs[this.#runs.length - 1];
    if (run && run.epoch === epoch && run.before + run.events + 1 === offset) run.events += 1;
    else this.#runs.push({ epoch, before: offset - 1, events: 1 });
    this.#frames.push(frame);
  }

  #dropOldest(): void {
    while (this.#runs[0]?.events === 0) this.#runs.shift();
    const run = this.#runs[0] as Run;
    run.before += 1;
    run.events -= 1;
    this.#whole = false;
    this.#frames.shift();
  }

  /** Where the events after `position` begin; -1 when the tail does not hold the position. */
  #indexAfter({ epoch, offset }: Position): number {
    let first = this.#frames.length;
    for (let n = this.#runs.length - 1; n >= 0; n -= 1) {
      const run = this.#runs[n] as Run;
      first -= run.events;
      const index = offset - run.before;
      if (run.epoch === epoch && index >= 0 && index <= run.events) return first + index;
    }
    return -1;
  }

  #entriesFrom(index: number): { position: Position; frame: Frame }[] {
    const positions = this.#runs.flatMap(({ epoch, before, events }) =>
      Array.from({ length: events }, (_, n) => ({ epoch, offset: before + 1 + n })),
    );
    return this.#frames.from(index).map((frame, n) => ({ position: positions[index + n] as Position, frame }));
  }

  #account(): void {
    const { length, bytes } = this.#frames;
    const now = length === 0 ? 0 : bytes + OVERHEAD;
    if (now === this.bytes) return;
    const change = now - this.bytes;
    this.bytes = now;
    this.#budget.changed(this, change);
  }
}

/** @param maxEvents the oldest go when there are more */
export const createTail = (maxEvents: number, budget: TailBudget): Tail => new EventTail(maxEvents, budget);
