/**
 * How long to wait before the next attempt. The first step decides a reconnect storm: 10,000 clients that come back
 * without jitter in it arrive within 100 ms, with a window advised by the server about 40 times fewer do.
 */
import type { ReconnectAdvice } from '@belfry/shared/protocol';

export const DEFAULT_ADVICE: ReconnectAdvice = { first_ms: 5_000, max_ms: 30_000 };
const STEP_MS = 1_000;

/**
 * @param failures in a row before this one
 * @param after the server's own delay in ms, which is waited in any case; the jitter behind it begins at one second then
 * @param random 0 ≤ random() < 1
 */
export function backoff(
  failures: number,
  advice: ReconnectAdvice,
  random: () => number,
  after?: number | undefined,
): number {
  const window =
    failures === 0 && after === undefined ? advice.first_ms : Math.min(advice.max_ms, STEP_MS * 2 ** failures);
  return (after ?? 0) + random() * window;
}
