/** A connection's token bucket as a single number: there are as many of these as connections. */
import type { RateLimit } from '@belfry/shared/service';

/** What sums of fractions may be off by, in milliseconds. */
const TOLERANCE_MS = 0.001;

/**
 * A bucket as a single number, for those of which there are as many as connections: when it will be full again.
 * @param fullAt as returned before; 0 for a new one. Small numbers of milliseconds are kept in place, dates are not
 * @returns when it will be full after taking `cost` tokens, of a full bucket at most all; where there are not enough, the
 *   milliseconds until there will be, as a negative number
 */
export function takeTokens(fullAt: number, cost: number, { burst, windowMs }: RateLimit, now: number): number {
  // Later than an empty one is none, unless the clock was set back.
  const full = fullAt - now > windowMs + TOLERANCE_MS ? now : Math.max(fullAt, now);
  const next = full + (Math.min(cost, burst) * windowMs) / burst;
  const missingMs = next - now - windowMs;
  if (missingMs > TOLERANCE_MS) return -Math.ceil(missingMs);
  // The result of a division is kept as a fraction, also where it is whole.
  return (next | 0) === next ? next | 0 : next;
}

/** How many tokens there are now in a bucket that will be full at `fullAt`. */
export const tokensLeft = (fullAt: number, { burst, windowMs }: RateLimit, now: number): number =>
  burst - (Math.max(0, fullAt - now) * burst) / windowMs;
