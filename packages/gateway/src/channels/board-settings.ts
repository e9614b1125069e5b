/** How often boards push: at most once per key and interval. */
import { list } from '@belfry/shared/service';

export interface BoardObserver {
  /** A value was sent to so many followers. */
  readonly pushed: (form: 'document' | 'patch' | 'removal', followers: number, bytes: number) => void;
  /** A value was replaced by a newer one of its key before it was sent. */
  readonly conflated: () => void;
  /** A value was not sent to a follower for whom bytes are waiting; it gets the newest when it has read them. */
  readonly deferred: () => void;
}

export interface BoardSettings {
  /** Milliseconds between two pushes of one key. @param board its name, without `state:` */
  readonly intervalMs: (board: string) => number;
  readonly observer: BoardObserver;
}

const DEFAULT_INTERVAL_MS = 2_000;
const MAX_INTERVAL_MS = 3_600_000;
/** Stands for the boards that are not named. */
const OTHERS = '*';
const ENTRY = /^([A-Za-z0-9_-]{1,64}|\*):(\d{1,7})$/;

export const DEFAULT_BOARD_SETTINGS: BoardSettings = {
  intervalMs: () => DEFAULT_INTERVAL_MS,
  observer: { pushed: () => undefined, conflated: () => undefined, deferred: () => undefined },
};

/** `tasks:500,audit:5000`. @throws Error that names the entry that is none */
export function parseBoardIntervals(entries: readonly string[]): (board: string) => number {
  const intervals = new Map([[OTHERS, DEFAULT_INTERVAL_MS]]);
  for (const entry of entries) {
    const [, board, ms] = ENTRY.exec(entry) ?? [];
    if (board === undefined || Number(ms) > MAX_INTERVAL_MS) {
      throw new Error(`must be board:milliseconds, up to ${MAX_INTERVAL_MS}, not ${JSON.stringify(entry)}`);
    }
    intervals.set(board, Number(ms));
  }
  return (board) => intervals.get(board) ?? intervals.get(OTHERS) ?? DEFAULT_INTERVAL_MS;
}

export const boardSettings = {
  BOARD_INTERVALS_MS: list({
    text: 'At most one push per key of a board in this time, in milliseconds, as `tasks:500,audit:5000`; `*` stands for the other boards',
    default: `${OTHERS}:${DEFAULT_INTERVAL_MS}`,
    check: (entries) => {
      try {
        parseBoardIntervals(entries);
      } catch (error) {
        return (error as Error).message;
      }
      return undefined;
    },
  }),
} as const;
