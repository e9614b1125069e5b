/**
 * A channel's log as it was in truth: read from Redis again and again while the run goes on, so that its order is known
 * also where the log itself keeps only its end, and where Redis lost and rewrote its end.
 */

export interface LogPosition {
  readonly epoch: number;
  readonly offset: number;
}

export interface ChainEntry extends LogPosition {
  /** See `changeNumber`; undefined for a mark, and for what is no event of the load. */
  readonly change: number | undefined;
}

export interface Chain {
  /** Where the next reading begins; undefined before the first. */
  readonly end: LogPosition | undefined;
  /** What stands in the log now, from its beginning, also what was trimmed; from the last time it was lost altogether. */
  readonly entries: readonly ChainEntry[];
  /** Takes over a reading that begins with the entry at `end`. False where it does not: the whole log is to be read. */
  extend(reading: readonly ChainEntry[]): boolean;
  /** Takes over a reading of the whole log. */
  replace(reading: readonly ChainEntry[]): void;
  /** The entry directly before this one; null at the beginning of a log, undefined where it is not known. */
  before(position: LogPosition): LogPosition | null | undefined;
  /** Whether Redis lost this entry again with the end of its log, also where it was never read. */
  lost(position: LogPosition): boolean;
  /** Entries that Redis lost again after they had been read. */
  readonly retracted: number;
  /** How often the log was lost altogether. */
  readonly lostWhole: number;
  /** How often entries were trimmed before they could be read: what stood before is not known. */
  readonly holes: number;
}

export function createChain(): Chain {
  let entries: ChainEntry[] = [];
  const beforeEpoch = new Map<number, LogPosition | null>();
  /** By epoch whose end was lost: the last offset that was left. What has lost its end goes on in another epoch. */
  const leftOf = new Map<number, number>();
  let retracted = 0;
  let lostWhole = 0;
  let holes = 0;

  function push(entry: ChainEntry): void {
    const last = entries.at(-1);
    if (!last && entry.offset > 0) holes += 1;
    else if (last?.epoch !== entry.epoch) beforeEpoch.set(entry.epoch, last ?? null);
    else if (entry.offset !== last.offset + 1) holes += 1;
    entries.push(entry);
  }

  const same = (a: LogPosition | undefined, b: LogPosition | undefined): boolean =>
    a !== undefined && b !== undefined && a.epoch === b.epoch && a.offset === b.offset;

  return {
    get end() {
      return entries.at(-1);
    },
    get entries() {
      return entries;
    },
    extend(reading) {
      if (entries.length === 0 || !same(reading[0], entries.at(-1))) return false;
      for (const entry of reading.slice(1)) push(entry);
      return true;
    },
    replace(reading) {
      const [first] = reading;
      const last = entries.at(-1);
      if (!last || !first) {
        if (last) lostWhole += 1;
        entries = [];
        for (const entry of reading) push(entry);
        return;
      }
      // The latest entry that both have: what stood behind it is gone.
      const known = new Map(reading.map((entry, index) => [`${entry.epoch}-${entry.offset}`, index]));
      for (let n = entries.length - 1; n >= 0; n -= 1) {
        const entry = entries[n] as ChainEntry;
        const index = known.get(`${entry.epoch}-${entry.offset}`);
        if (index === undefined) continue;
        retracted += entries.length - 1 - n;
        if (n < entries.length - 1 && reading[index + 1]?.epoch !== entry.epoch) {
          for (const { epoch } of entries.slice(n + 1)) leftOf.set(epoch, -1);
          leftOf.set(entry.epoch, entry.offset);
        }
        entries = entries.slice(0, n + 1);
        for (const later of reading.slice(index + 1)) push(later);
        return;
      }
      if (first.epoch === last.epoch && first.offset > last.offset) {
        holes += 1;
        for (const entry of reading) push(entry);
        return;
      }
      lostWhole += 1;
      entries = [];
      for (const entry of reading) push(entry);
    },
    before({ epoch, offset }) {
      const before = beforeEpoch.get(epoch);
      // An epoch begins with offset 0, or where it was first read.
      if (offset > 0 && !(before === undefined && !beforeEpoch.has(epoch))) return { epoch, offset: offset - 1 };
      return before;
    },
    lost({ epoch, offset }) {
      return offset > (leftOf.get(epoch) ?? Number.POSITIVE_INFINITY);
    },
    get retracted() {
      return retracted;
    },
    get lostWhole() {
      return lostWhole;
    },
    get holes() {
      return holes;
    },
  };
}
