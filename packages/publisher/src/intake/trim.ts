/** Keeps the intake stream short: behind the slowest checkpoint, as long as a rewind may need what is there. */
import { type Connection, LogUnavailable } from '@belfry/shared/log';
import type { Clock } from '@belfry/shared/service';
import type { Checkpoints } from './checkpoints.js';
import { earlierId, FIRST_ID, laterId, millisecondsOf, sequenceOf } from './id.js';

export interface TrimOptions {
  readonly connection: Connection;
  readonly stream: string;
  readonly checkpoints: Checkpoints;
  /** How long entries that were worked off are kept. */
  readonly retentionMs: number;
  /** How long they are kept however many they are. */
  readonly rewindMs: number;
  /** With more entries than this the retention is shortened in proportion, down to the rewind. */
  readonly maxEntries: number;
  readonly clock: Clock;
}

/** XTRIM with `~` removes up to 10,000 entries a call, so that no call stalls Redis. */
const MAX_CALLS = 1_000;

/** Milliseconds since 1970. */
async function redisTime(connection: Connection): Promise<number> {
  const [seconds, microseconds] = await connection.time();
  return Number(seconds) * 1_000 + Number(microseconds) / 1_000;
}

/**
 * Where ids are ahead of the clock, which a failover or somebody's own ids can bring about, they do not say how old an entry
 * is, and all are of one millisecond until the clock comes there: then it is as many as may be that are kept.
 */
function firstKeptAhead(slowest: string, now: number, maxEntries: number): string {
  const ms = millisecondsOf(slowest);
  const first = sequenceOf(slowest) - maxEntries;
  return ms > now && first > 0 ? `${ms}-${first}` : FIRST_ID;
}

/** Removes what may go; resolves with how many entries did. @throws LogUnavailable */
export async function trimIntake(options: TrimOptions): Promise<number> {
  const { connection, stream } = options;
  const positions = await options.checkpoints.all();
  const slowest = positions.reduce((a, b) => (a === undefined || b === undefined ? undefined : earlierId(a, b)));
  // A share that was never opened has everything before it.
  if (slowest === undefined) return 0;
  try {
    const length = await connection.xlen(stream);
    const kept = Math.max(
      options.rewindMs,
      options.retentionMs * Math.min(1, options.maxEntries / Math.max(1, length)),
    );
    // The ids are of Redis' clock: a publisher whose own is ahead must not take away what a rewind needs.
    const now = Math.min(options.clock.now(), await redisTime(connection));
    const old = earlierId(slowest, `${Math.max(0, Math.floor(now - kept))}-0`);
    const until = laterId(old, firstKeptAhead(slowest, now, options.maxEntries));
    let removed = 0;
    for (let call = 0; call < MAX_CALLS; call += 1) {
      const count = await connection.xtrim(stream, 'MINID', '~', until);
      if (count === 0) break;
      removed += count;
    }
    return removed;
  } catch (cause) {
    throw new LogUnavailable(`the intake cannot be trimmed: ${(cause as Error).message}`, { cause });
  }
}
