/** Dead letters: entries that can never succeed, kept with the reason for somebody to look at. Redis' errors are no reason. */
import { type Connection, isWrongType, LogUnavailable } from '@belfry/shared/log';
import type { IntakeEntry } from './entry.js';

export interface DeadLetters {
  /**
   * Keeps an entry. After a crash one may be kept twice; its `entry` field tells. Where the key is somebody else's there is
   * nowhere to keep it: that is told, and holds up nothing. @throws LogUnavailable
   */
  add(entry: IntakeEntry, reason: string): Promise<void>;
}

export interface DeadLetterOptions {
  readonly connection: Connection;
  readonly key: string;
  /** How many are kept. */
  readonly max: number;
  readonly onAdded: (entry: IntakeEntry, reason: string) => void;
  /** The key is of another type: the entry is gone unless somebody writes it down. */
  readonly onLost: (entry: IntakeEntry, reason: string) => void;
}

/** A reason quotes what was sent; more than this of it helps nobody. */
const MAX_REASON_LENGTH = 500;

export function createDeadLetters({ connection, key, max, onAdded, onLost }: DeadLetterOptions): DeadLetters {
  return {
    async add(entry, reason) {
      const text = reason.slice(0, MAX_REASON_LENGTH);
      try {
        // The original fields come last: whatever they are named, the first `reason` and `entry` are ours.
        await connection.xadd(key, 'MAXLEN', '~', max, '*', 'reason', text, 'entry', entry.id, ...entry.fields);
      } catch (cause) {
        if (isWrongType(cause as Error)) return onLost(entry, text);
        throw new LogUnavailable(`the dead letter was not kept: ${(cause as Error).message}`, { cause });
      }
      onAdded(entry, text);
    },
  };
}
