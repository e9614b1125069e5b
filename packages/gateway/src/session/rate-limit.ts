/** A token bucket: allows a burst, then a steady rate. Two numbers a connection, no timer. */

export interface RateLimit {
  /** Tokens that a full bucket holds, and that come back in `windowMs`. */
  readonly burst: number;
  readonly windowMs: number;
}

export class TokenBucket {
  #tokens: number;
  #at: number;

  constructor(limit: RateLimit, now: number) {
    this.#tokens = limit.burst;
    this.#at = now;
  }

  /** Takes `cost` tokens, of a full bucket at most all. Returns 0 when there were enough, else the milliseconds until there will be. */
  take(cost: number, limit: RateLimit, now: number): number {
    const perMs = limit.burst / limit.windowMs;
    this.#tokens = Math.min(limit.burst, this.#tokens + Math.max(0, now - this.#at) * perMs);
    this.#at = now;
    const price = Math.min(cost, limit.burst);
    if (this.#tokens >= price) {
      this.#tokens -= price;
      return 0;
    }
    return Math.ceil((price - this.#tokens) / perMs);
  }
}
