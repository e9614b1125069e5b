/**
 * A tail: a gateway's copy of the end of a channel's log, from which clients that come back are served without asking
 * Redis. Contiguous: it holds everything between its start and the channel's position, or nothing.
 */
import { comparePositions, type Position } from '@belfry/shared/protocol';
import type { Frame } from './subscriber.js';

export interface TailEntry {
  readonly position: Position;
  /** Undefined for the mark with which an epoch begins. */
  readonly frame: Frame | undefined;
}

export interface Tail {
  /** What follows `position`; undefined when the tail does not hold that position. */
  after(position: Position): Frame[] | undefined;
  /** The last `count` events; undefined when the tail holds fewer and the log may hold more. */
  last(count: number): Frame[] | undefined;
  push(position: Position, frame: Frame): void;
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
  grew(tail: Tail, bytes: number): void;
  shrank(tail: Tail, bytes: number): void;
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
    grew(tail, bytes) {
      total += bytes;
      holding.add(tail);
    },
    shrank(tail, bytes) {
      total -= bytes;
      if (tail.bytes === 0) holding.delete(tail);
    },
    enforce() {
      for (const tail of holding) {
        if (total <= maxBytes) return;
        if (!tail.pinned) tail.clear();
      }
    },
  };
}

/** A small buffer's header and its place in the list, beside the frame's own bytes. */
const ENTRY_OVERHEAD = 150;
const sizeOf = (entry: TailEntry): number => (entry.frame?.length ?? 0) + ENTRY_OVERHEAD;

/** A class, and its list shared until there is something in it: most channels are quiet, and there are many. */
class EventTail implements Tail {
  bytes = 0;
  pinned = false;
  #entries: TailEntry[] = NOTHING;
  /** The position before the first entry; undefined when the log itself begins with the first entry. */
  #start: Position | undefined;
  #end: Position | undefined;
  readonly #maxEvents: number;
  readonly #budget: TailBudget;

  constructor(maxEvents: number, budget: TailBudget) {
    this.#maxEvents = maxEvents;
    this.#budget = budget;
  }

  after(position: Position): Frame[] | undefined {
    const index = this.#indexAfter(position);
    return index === -1 ? undefined : framesOf(this.#entries.slice(index));
  }

  last(count: number): Frame[] | undefined {
    const frames = framesOf(this.#entries);
    if (frames.length < count && this.#start !== undefined) return undefined;
    return count === 0 ? [] : frames.slice(-count);
  }

  push(position: Position, frame: Frame): void {
    const entry = { position, frame };
    if (this.#entries === NOTHING) this.#entries = [entry];
    else this.#entries.push(entry);
    this.#end = position;
    this.#account(sizeOf(entry));
    if (this.#entries.length > this.#maxEvents) {
      const dropped = this.#entries.shift() as TailEntry;
      this.#start = dropped.position;
      this.#account(-sizeOf(dropped));
    }
  }

  extend(start: Position | undefined, read: readonly TailEntry[]): void {
    const lastRead = read.at(-1)?.position ?? start;
    const index = lastRead ? this.#indexAfter(lastRead) : -1;
    if (index === -1 || read.length < index) return;
    this.#entries = [...read, ...this.#entries.slice(index)];
    this.#start = start;
    this.#account(this.#entries.reduce((sum, entry) => sum + sizeOf(entry), 0) - this.bytes);
  }

  restart(position: Position): void {
    this.#entries = NOTHING;
    this.#start = position;
    this.#end = position;
    this.#account(-this.bytes);
  }

  clear(): void {
    if (this.#end) this.restart(this.#end);
  }

  /** Where the entries after `position` begin; -1 when the tail does not hold the position. */
  #indexAfter(position: Position): number {
    if (this.#end && comparePositions(position, this.#end) === 0) return this.#entries.length;
    for (let n = this.#entries.length - 1; n >= 0; n -= 1) {
      const compared = comparePositions((this.#entries[n] as TailEntry).position, position);
      if (compared === 0) return n + 1;
      if (compared < 0) return -1;
    }
    return this.#start && comparePositions(position, this.#start) === 0 ? 0 : -1;
  }

  #account(change: number): void {
    this.bytes += change;
    if (change > 0) this.#budget.grew(this, change);
    else if (change < 0) this.#budget.shrank(this, -change);
  }
}

/** Never pushed to. */
const NOTHING: TailEntry[] = [];

/** @param maxEvents the oldest go when there are more */
export const createTail = (maxEvents: number, budget: TailBudget): Tail => new EventTail(maxEvents, budget);

function framesOf(entries: readonly TailEntry[]): Frame[] {
  const frames: Frame[] = [];
  for (const entry of entries) if (entry.frame !== undefined) frames.push(entry.frame);
  return frames;
}
