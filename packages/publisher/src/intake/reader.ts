/** Reads the intake stream in order, on a connection of its own, since it waits there for what is to come. */
import { type Connection, LogUnavailable } from '@belfry/shared/log';
import { type IntakeEntry, lengthOf } from './entry.js';
import { compareIds, FIRST_ID } from './id.js';
import type { IntakeCommands, StreamRow } from './scripts.js';

export interface IntakeReading {
  readonly entries: readonly IntakeEntry[];
  /** Of the Redis that they are from: there may be two masters for a while, each with an intake of its own. */
  readonly generation: string;
}

export interface IntakeReader {
  /**
   * The entries behind `after`, oldest first; waits up to `waitMs` for the first. How many depends on how large they
   * are. @throws LogUnavailable
   */
  read(after: string, waitMs: number): Promise<IntakeReading>;
  /** Gives the connection up for another one, which looks anew for who is master. */
  reconnect(): void;
  /** Breaks off the read that is under way; none is possible any more. */
  close(): void;
}

/** At this many a read, what a read costs by itself no longer counts. */
const MAX_ENTRIES = 256;
/** What a read of what is there brings at most; entries are a few hundred bytes as a rule, and some megabytes at most. */
const MAX_BYTES = 4_000_000;
/** XREAD cannot be told how many bytes are wanted: it begins with few, and may bring twice as many each time. */
const FIRST_ENTRIES = 8;

type XReadReply = [stream: string, entries: StreamRow[]][] | null;

export function createIntakeReader(
  connection: Pick<Connection, 'xread' | 'disconnect'> &
    Pick<IntakeCommands, 'belfryIntakeRead' | 'belfryIntakeGeneration'>,
  stream: string,
): IntakeReader {
  /**
   * There may be a lot to read, and a process that its size killed would meet the same again: until the end is reached it
   * is asked for by its size, which costs Redis eight times as much as XREAD.
   */
  let behind = true;
  let count = FIRST_ENTRIES;
  let last = FIRST_ID;

  async function readRows(after: string, waitMs: number): Promise<readonly StreamRow[]> {
    if (behind) {
      const rows = await connection.belfryIntakeRead(stream, after, MAX_ENTRIES, MAX_BYTES);
      if (rows.length > 0) return rows;
      behind = false;
      count = FIRST_ENTRIES;
    }
    const reply = (await connection.xread('COUNT', count, 'BLOCK', waitMs, 'STREAMS', stream, after)) as XReadReply;
    return reply?.[0]?.[1] ?? [];
  }

  return {
    async read(after, waitMs) {
      if (compareIds(after, last) < 0) behind = true;
      let rows: readonly StreamRow[];
      let generation: string;
      try {
        // Asked first and on the same connection, which repeats nothing on another one: it is true of what is read.
        [generation, rows] = await Promise.all([connection.belfryIntakeGeneration(stream), readRows(after, waitMs)]);
      } catch (cause) {
        // Who knows how long Redis stays away, and what comes in before it is read again.
        behind = true;
        throw new LogUnavailable(`the intake cannot be read: ${(cause as Error).message}`, { cause });
      }
      const entries = rows.map(([id, fields]): IntakeEntry => ({ id, fields: fields ?? [] }));
      last = entries.at(-1)?.id ?? after;
      if (entries.length === 0) return { entries, generation };
      const largest = entries.reduce((length, entry) => Math.max(length, lengthOf(entry)), 1);
      count = Math.max(1, Math.min(MAX_ENTRIES, 2 * count, Math.floor(MAX_BYTES / largest)));
      return { entries, generation };
    },
    reconnect: () => connection.disconnect(true),
    close: () => connection.disconnect(),
  };
}
