/** Reads the intake stream in order, on a connection of its own, since it waits there for what is to come. */
import { type Connection, LogUnavailable } from '@belfry/shared/log';
import { type IntakeEntry, lengthOf } from './entry.js';

export interface IntakeReader {
  /**
   * The entries behind `after`, oldest first; waits up to `waitMs` for the first. How many depends on how large they
   * have been. @throws LogUnavailable
   */
  read(after: string, waitMs: number): Promise<readonly IntakeEntry[]>;
  /** Breaks off the read that is under way; none is possible any more. */
  close(): void;
}

/** At this many a read, XREAD's own cost no longer counts. */
const MAX_ENTRIES = 256;
/** What one read should bring at most; entries are a few hundred bytes as a rule, and some megabytes at most. */
const TARGET_CHARACTERS = 4_000_000;

type XReadReply = [stream: string, entries: [id: string, fields: string[] | null][]][] | null;

export function createIntakeReader(connection: Connection, stream: string): IntakeReader {
  let meanLength = 1_000;

  return {
    async read(after, waitMs) {
      const count = Math.max(1, Math.min(MAX_ENTRIES, Math.floor(TARGET_CHARACTERS / meanLength)));
      let reply: XReadReply;
      try {
        reply = (await connection.xread('COUNT', count, 'BLOCK', waitMs, 'STREAMS', stream, after)) as XReadReply;
      } catch (cause) {
        throw new LogUnavailable(`the intake cannot be read: ${(cause as Error).message}`, { cause });
      }
      const entries = (reply?.[0]?.[1] ?? []).map(([id, fields]): IntakeEntry => ({ id, fields: fields ?? [] }));
      if (entries.length > 0)
        meanLength = entries.reduce((sum, entry) => sum + lengthOf(entry), 0) / entries.length + 1;
      return entries;
    },
    close: () => connection.disconnect(),
  };
}
