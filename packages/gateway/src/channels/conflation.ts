/**
 * Conflation: the newest value of each key of a board, and when it goes out. The first change after a quiet time goes out
 * at once; whatever changes until the interval is over goes out at its end, as one push with the newest value.
 */
import { comparePositions, type Position } from '@belfry/shared/protocol';
import type { Clock } from '@belfry/shared/service';
import { type BoardValue, type Push, pushFrom, pushOf } from './board-value.js';

export interface ConflationOptions {
  readonly channel: string;
  readonly intervalMs: number;
  readonly clock: Clock;
  /** Hands over what is due, in one go. */
  readonly push: (pushes: readonly Push[]) => void;
  readonly onConflated: () => void;
}

interface Item {
  newest: BoardValue;
  /** What the followers have; undefined where they never heard of the key. */
  sent: BoardValue | undefined;
  /** When that was; -Infinity for never. */
  sentAtMs: number;
  /** Some follower has a value between `sent` and `newest`: a patch would not fit for it. */
  whole: boolean;
}

/** Timers are no finer than this: pushes that fall due close together leave together. */
const TICK_MS = 10;
const BEFORE_ALL = { epoch: 0, offset: 0 };

export class Conflation {
  readonly #items = new Map<string, Item>();
  /** Those with something to do when their interval is over. */
  readonly #pending = new Set<Item>();
  readonly #options: ConflationOptions;
  #timerAtMs = Number.POSITIVE_INFINITY;
  #cancelTimer: (() => void) | undefined;

  constructor(options: ConflationOptions) {
    this.#options = options;
  }

  /** The newest value of a key; a removal for a while after the key has gone. */
  newest(key: string): BoardValue | undefined {
    return this.#items.get(key)?.newest;
  }

  /** The newest values, without those removed. */
  values(): BoardValue[] {
    const values: BoardValue[] = [];
    for (const { newest } of this.#items.values()) if (!newest.removed) values.push(newest);
    return values;
  }

  /** Values and removals newer than `position`. */
  since(position: Position): BoardValue[] {
    const all = [...this.#items.values()].map(({ newest }) => newest);
    return all.filter((value) => comparePositions(value.position, position) > 0);
  }

  /** What a follower that missed pushes of a key has to get; undefined where the key has gone. */
  missed(key: string): BoardValue | undefined {
    const item = this.#items.get(key);
    if (!item || item.sent) return item?.sent;
    item.whole = true;
    return item.newest;
  }

  /** A value that every follower has, or that nobody follows. */
  load(value: BoardValue): void {
    this.#add(value, Number.NEGATIVE_INFINITY);
  }

  /** A newer value, to be pushed. */
  set(value: BoardValue): void {
    const item = this.#items.get(value.key);
    if (!item) {
      const added: Item = { newest: value, sent: undefined, sentAtMs: Number.NEGATIVE_INFINITY, whole: false };
      this.#items.set(value.key, added);
      this.#expect(added);
      return;
    }
    if (item.newest !== item.sent) this.#options.onConflated();
    item.newest = value;
    this.#expect(item);
  }

  /** Somebody was told the newest values, and not only what the others were sent. */
  toldNewest(): void {
    for (const item of this.#pending) item.whole = item.newest !== item.sent;
  }

  /** Somebody was told values that are not known here. */
  toldUnknown(): void {
    for (const item of this.#items.values()) item.whole = true;
  }

  /** Starts over with these values, which every follower is told now. When each key was last pushed still counts. */
  restart(values: readonly BoardValue[]): void {
    const before = [...this.#items.values()];
    this.#items.clear();
    this.#pending.clear();
    for (const value of values) this.load(value);
    for (const { newest, sentAtMs } of before) {
      if (sentAtMs === Number.NEGATIVE_INFINITY) continue;
      const item = this.#items.get(newest.key);
      if (item) item.sentAtMs = sentAtMs;
      else this.#expect(this.#add({ ...newest, position: BEFORE_ALL, document: undefined, removed: true }, sentAtMs));
    }
  }

  close(): void {
    this.#cancelTimer?.();
    this.#pending.clear();
    this.#items.clear();
  }

  /** A value that every follower has. */
  #add(value: BoardValue, sentAtMs: number): Item {
    const item: Item = { newest: value, sent: value, sentAtMs, whole: false };
    this.#items.set(value.key, item);
    return item;
  }

  #expect(item: Item): void {
    this.#pending.add(item);
    this.#wakeAt(item.sentAtMs + this.#options.intervalMs);
  }

  #wakeAt(atMs: number): void {
    const { clock } = this.#options;
    const now = clock.now();
    const at = Math.max(now, atMs);
    if (at >= this.#timerAtMs) return;
    this.#cancelTimer?.();
    this.#timerAtMs = at;
    // Also what is due now waits for this turn to end: events that came in one piece leave in one piece.
    this.#cancelTimer = clock.after(at - now, () => this.#flush());
  }

  #flush(): void {
    this.#timerAtMs = Number.POSITIVE_INFINITY;
    const { channel, clock, intervalMs, push } = this.#options;
    const now = clock.now();
    const pushes: Push[] = [];
    let next = Number.POSITIVE_INFINITY;
    for (const item of this.#pending) {
      const dueMs = item.sentAtMs + intervalMs;
      // A clock that was set back must not hold a value back.
      if (dueMs > now && item.sentAtMs <= now) {
        next = Math.min(next, dueMs);
        continue;
      }
      this.#pending.delete(item);
      const { newest, sent, whole } = item;
      const unheardOf = newest.removed && !sent && !whole;
      if (newest === sent || unheardOf) {
        if (newest.removed) this.#items.delete(newest.key);
        continue;
      }
      pushes.push(whole ? pushOf(newest) : pushFrom(sent, newest, channel));
      item.sent = newest;
      item.sentAtMs = now;
      item.whole = false;
      // Kept for an interval, so that a key which comes back at once is not pushed at once.
      if (newest.removed) this.#pending.add(item);
    }
    if (next < Number.POSITIVE_INFINITY) this.#wakeAt(Math.max(next, now + TICK_MS));
    if (pushes.length > 0) push(pushes);
  }
}
