/** Waiting with an end: a test that waits for what never comes says what it saw instead, and says it soon. */
import { setTimeout as sleep } from 'node:timers/promises';

/** "Never": long beside anything that works on one machine, however busy; short beside vitest's own two minutes. */
export const DEFAULT_DEADLINE_MS = 15_000;
const POLL_MS = 20;

/**
 * `promise`, or an error with `seen()` once `deadlineMs` are over.
 * @param what what is waited for, as in "no <what> within 5 s"
 */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  { deadlineMs = DEFAULT_DEADLINE_MS, seen }: { deadlineMs?: number; seen?: () => string } = {},
): Promise<T> {
  const timer = new AbortController();
  const late = sleep(deadlineMs, undefined, { signal: timer.signal }).then(() => {
    throw new Error(`no ${what} within ${deadlineMs / 1000} s${seen ? `; ${seen()}` : ''}`);
  });
  // Aborted on the way out: by then nobody listens any more.
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    timer.abort();
  }
}

/**
 * Asks again and again until `check` returns something other than undefined or false; for what can only be asked for,
 * as the state of another process. An error thrown by `check` counts as "not yet".
 */
export async function eventually<T>(
  what: string,
  check: () => Promise<T | undefined | false> | T | undefined | false,
  { deadlineMs = DEFAULT_DEADLINE_MS }: { deadlineMs?: number } = {},
): Promise<T> {
  const end = performance.now() + deadlineMs;
  let last = 'nothing';
  for (;;) {
    try {
      const result = await check();
      if (result !== undefined && result !== false) return result;
      last = String(result);
    } catch (error) {
      last = (error as Error).message;
    }
    if (performance.now() > end) throw new Error(`no ${what} within ${deadlineMs / 1000} s; last answer: ${last}`);
    await sleep(POLL_MS);
  }
}

export interface Deferred<T> {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: Error) => void;
}

/** A promise that somebody else settles: `Promise.withResolvers`, which Node 20 does not have. */
export function deferred<T>(): Deferred<T> {
  let settle: Omit<Deferred<T>, 'promise'> | undefined;
  const promise = new Promise<T>((resolve, reject) => {
    settle = { resolve, reject };
  });
  return { promise, ...(settle as Omit<Deferred<T>, 'promise'>) };
}
