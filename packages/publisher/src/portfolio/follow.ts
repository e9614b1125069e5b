/** Follows a stream from its end on, and says so when something of it may have been missed: also when it begins. */
import type { Connection } from '@belfry/shared/log';
import { type Clock, createBackoff, type Logger } from '@belfry/shared/service';

/** Names and values in turn. */
export type Row = readonly [id: string, fields: readonly string[]];

export interface FollowOptions {
  readonly connection: Connection;
  readonly stream: string;
  readonly everyMs: number;
  /** What came, oldest first. It comes again where this rejects. */
  readonly onRows: (rows: readonly Row[]) => Promise<void>;
  /** What comes next does not continue what came before. */
  readonly onGap: () => Promise<void>;
  /** While this is false nothing is read, and then there was a gap. Default: always true. */
  readonly wanted?: () => boolean;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface Following {
  /** Waits for what is under way. */
  close(): Promise<void>;
}

const ROWS = 1_000;
const EMPTY = '0-0';

export function follow(options: FollowOptions): Following {
  const { clock, connection, logger, stream, wanted = () => true } = options;
  const backoff = createBackoff(200, 5_000);
  /** Of the last row that came; undefined where it is not known what came before. */
  let position: string | undefined;
  let closing = false;
  let wake: (() => void) | undefined;

  /** Whether there is more to read at once. */
  async function step(): Promise<boolean> {
    if (!wanted()) {
      position = undefined;
      return false;
    }
    if (position === undefined) {
      const [last] = await connection.xrevrange(stream, '+', '-', 'COUNT', 1);
      const end = last?.[0] ?? EMPTY;
      await options.onGap();
      position = end;
    }
    const rows = await connection.xrange(stream, position, '+', 'COUNT', ROWS + 1);
    const continuous = position === EMPTY || rows[0]?.[0] === position;
    if (!continuous) {
      // Trimmed, or begun anew: from its end on it is whole again.
      position = undefined;
      return true;
    }
    const fresh = position === EMPTY ? rows : rows.slice(1);
    if (fresh.length === 0) return false;
    await options.onRows(fresh);
    position = fresh.at(-1)?.[0] ?? position;
    return fresh.length >= ROWS;
  }

  async function run(): Promise<void> {
    while (!closing) {
      let waitMs = options.everyMs;
      try {
        if (await step()) waitMs = 0;
        backoff.reset();
      } catch (error) {
        waitMs = backoff.next();
        logger.debug({ err: error, stream }, 'a stream cannot be followed at the moment');
      }
      if (waitMs === 0 || closing) continue;
      await new Promise<void>((resolve) => {
        const cancel = clock.after(waitMs, resolve);
        wake = () => {
          cancel();
          resolve();
        };
      });
    }
  }

  const ended = run();
  return {
    async close() {
      closing = true;
      wake?.();
      await ended;
    },
  };
}
