/** A door for reports, and the patience to knock until somebody opens: the same report, with the same key, until it is taken. */
import { createBackoff } from '../service/index.js';

export type ReportKind = 'change' | 'event';

export interface ReportOptions {
  /**
   * The idempotency key: what is sent twice with the same one has an effect once, also where the second says something
   * else: that is not an error, and lost. Default: a new one for each call, which its repetitions share. Name one where
   * the caller itself may repeat the call. 1 to 240 printable characters without spaces.
   */
  readonly key?: string;
}

export interface Patience {
  /** Milliseconds after which a report that nobody took is given up. Default: 30,000. */
  readonly giveUpAfterMs?: number;
  /** Between attempts; default: full jitter below 100 ms, 200 ms … 5 s. */
  readonly random?: () => number;
}

/** One attempt. Rejects with ReportRefused where a repetition would be refused as well. */
export type Attempt = (kind: ReportKind, items: readonly object[], key: string) => Promise<readonly string[]>;

/** It can never succeed: something in it is wrong. */
export class ReportRefused extends Error {
  /** As the publisher names it: `bad_request`, `unauthorized`, `too_large` … */
  readonly code: string;
  /** Which item of a list. */
  readonly index: number | undefined;

  constructor(code: string, message: string, index?: number) {
    super(message);
    this.code = code;
    this.index = index;
  }
}

/** Nobody took it in time. It may have arrived all the same: report it again with the same key. */
export class ReportUnavailable extends Error {
  readonly code = 'unavailable';
  readonly key: string;

  constructor(key: string, cause: unknown) {
    super(`the report was not taken: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
    this.key = key;
  }
}

/** An attempt that failed, after which the other side wants to be left alone for a while. */
export class TryLater extends Error {
  readonly afterMs: number;

  constructor(message: string, afterMs: number) {
    super(message);
    this.afterMs = afterMs;
  }
}

const GIVE_UP_AFTER_MS = 30_000;
const KEY = /^[\x21-\x7e]{1,240}$/;

/**
 * Repeats an attempt until it succeeds.
 * @throws ReportRefused at once, ReportUnavailable in the end, RangeError for a key that is none
 */
export async function persist(
  attempt: Attempt,
  patience: Patience,
  kind: ReportKind,
  items: readonly object[],
  { key = crypto.randomUUID() }: ReportOptions = {},
): Promise<readonly string[]> {
  if (!KEY.test(key)) throw new RangeError('key: must be 1 to 240 printable characters without spaces');
  const backoff = createBackoff(100, 5_000, patience.random);
  const deadline = performance.now() + (patience.giveUpAfterMs ?? GIVE_UP_AFTER_MS);
  for (;;) {
    try {
      return await attempt(kind, items, key);
    } catch (error) {
      if (error instanceof ReportRefused) throw error;
      const waitMs = Math.max(backoff.next(), error instanceof TryLater ? error.afterMs : 0);
      if (performance.now() + waitMs > deadline) throw new ReportUnavailable(key, error);
      await new Promise((resolve) => setTimeout(resolve, waitMs));
    }
  }
}
