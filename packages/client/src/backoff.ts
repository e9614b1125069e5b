/**
 * How long to wait before the next attempt. The first step decides a reconnect storm: 10,000 clients that come back
 * without jitter in it arrive within 100 ms, with a window advised by the server about 40 times fewer do.
 */
import type { ReconnectAdvice } from '@belfry/shared/protocol';

const FIRST_MS = 5_000;
const MAX_MS = 30_000;
const STEP_MS = 1_000;
/** Longer is not waited, whoever says so. */
const LONGEST_MS = 600_000;

/** A duration that came over the wire: garbage must neither stop the client nor make it try without a pause. */
const sane = (ms: unknown, otherwise: number): number => Math.min(Number(ms) > 0 ? Number(ms) : otherwise, LONGEST_MS);

/**
 * @param failures in a row before this one
 * @param advice of WELCOME, where there was one
 * @param random 0 ≤ random() < 1
 * @param after the server's own delay in ms, which is waited in any case; the jitter behind it begins at one second then
 */
export function backoff(
  failures: number,
  advice: ReconnectAdvice | null | undefined,
  random: () => number,
  after?: number | undefined,
): number {
  const window =
    failures === 0 && after === undefined
      ? sane(advice?.first_ms, FIRST_MS)
      : Math.min(sane(advice?.max_ms, MAX_MS), STEP_MS * 2 ** failures);
  return sane(after, 0) + random() * window;
}
