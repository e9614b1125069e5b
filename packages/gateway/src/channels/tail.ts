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
  const holding = new Set<Tail & { clear(): void }>();
  let total = 0;
  return {
    get bytes() {
      return total;
    },
    grew(tail, bytes) {
      total += bytes;
      holding.add(tail as Tail & { clear(): void });
    },
    shrank(tail, bytes) {
      total -= bytes;
      if (tail.bytes === 0) holding.delete(tail as Tail & { clear(): void });
    },
    enforce() {
      for (const tail of holding) {
        if (total <= maxBytes) return;
        tail.clear();
      }
    },
  };
}

/** A small buffer's header and its place in the list, beside the frame's own bytes. */
const ENTRY_OVERHEAD = 150;
const sizeOf = (entry: TailEntry): number => (entry.frame?.length ?? 0) + ENTRY_OVERHEAD;

export function createTail(maxEvents: number, budget: TailBudget): Tail & { clear(): void } {
  let entries: TailEntry[] = [];
  /** The position before the first entry; undefined when the log itself begins with the first entry. */
  let start: Position | undefined;
  let end: Position | undefined;
  let bytes = 0;

  /** Where the entries after `position` begin; -1 when the tail does not hold the position. */
  function indexAfter(position: Position): number {
    if (end && comparePositions(position, end) === 0) return entries.length;
    for (let n = entries.length - 1; n >= 0; n -= 1) {
      const compared = comparePositions((entries[n] as TailEntry).position, position);
      if (compared === 0) return n + 1;
      if (compared < 0) return -1;
    }
    return start && comparePositions(position, start) === 0 ? 0 : -1;
  }

  function account(change: number): void {
    bytes += change;
    if (change > 0) budget.grew(tail, change);
    else if (change < 0) budget.shrank(tail, -change);
  }

  const tail: Tail & { clear(): void } = {
    after(position) {
      const index = indexAfter(position);
      return index === -1 ? undefined : framesOf(entries.slice(index));
    },
    last(count) {
      const frames = framesOf(entries);
      if (frames.length < count && start !== undefined) return undefined;
      return count === 0 ? [] : frames.slice(-count);
    },
    push(position, frame) {
      const entry = { position, frame };
      entries.push(entry);
      end = position;
      account(sizeOf(entry));
      if (entries.length > maxEvents) {
        const dropped = entries.shift() as TailEntry;
        start = dropped.position;
        account(-sizeOf(dropped));
      }
    },
    extend(readStart, read) {
      const lastRead = read.at(-1)?.position ?? readStart;
      const index = lastRead ? indexAfter(lastRead) : -1;
      if (index === -1 || read.length < index) return;
      const kept = entries.slice(index);
      const before = bytes;
      entries = [...read, ...kept];
      start = readStart;
      account(entries.reduce((sum, entry) => sum + sizeOf(entry), 0) - before);
    },
    restart(position) {
      entries = [];
      start = position;
      end = position;
      account(-bytes);
    },
    clear() {
      if (end) tail.restart(end);
    },
    get bytes() {
      return bytes;
    },
  };
  return tail;
}

function framesOf(entries: readonly TailEntry[]): Frame[] {
  const frames: Frame[] = [];
  for (const entry of entries) if (entry.frame !== undefined) frames.push(entry.frame);
  return frames;
}
