/** Token buckets: allow a burst, then a steady rate. Two numbers each, no timer. */

export interface RateLimit {
  /** Tokens that a full bucket holds, and that come back in `windowMs`. */
  readonly burst: number;
  readonly windowMs: number;
}

class TokenBucket {
  #tokens: number;
  #at: number;

  constructor(limit: RateLimit, now: number) {
    this.#tokens = limit.burst;
    this.#at = now;
  }

  /** Takes `cost` tokens, of a full bucket at most all. Returns 0 when there were enough, else the milliseconds until there will be. */
  take(cost: number, limit: RateLimit, now: number): number {
    this.#tokens = this.left(limit, now);
    this.#at = now;
    const price = Math.min(cost, limit.burst);
    if (this.#tokens >= price) {
      this.#tokens -= price;
      return 0;
    }
    return Math.ceil(((price - this.#tokens) * limit.windowMs) / limit.burst);
  }

  /** How many tokens there are now. */
  left(limit: RateLimit, now: number): number {
    const cameBack = (Math.max(0, now - this.#at) * limit.burst) / limit.windowMs;
    return Math.min(limit.burst, this.#tokens + cameBack);
  }

  /** Takes what something cost that is known only afterwards: the bucket may owe, and gives nothing until that is paid. */
  charge(cost: number): void {
    this.#tokens -= cost;
  }

  /** Full again at `now`: as good as a new one. */
  isFull(limit: RateLimit, now: number): boolean {
    return this.#tokens + ((now - this.#at) * limit.burst) / limit.windowMs >= limit.burst;
  }
}

/** A bucket for everybody of a kind: per address, per user. It outlives connections, so that coming back brings nothing. */
export interface Budgets {
  /** As `TokenBucket.take`. */
  take(who: string, cost?: number): number;
  /** As `TokenBucket.charge`. */
  charge(who: string, cost: number): void;
}

/** Some 100 bytes each. Who has used nothing of its budget lately needs no bucket, so there are seldom many. */
const MAX_BUDGETS = 100_000;

/** @param now milliseconds, best of a clock that nobody sets: set back, it gives nothing until it has caught up */
export function createBudgets(limit: RateLimit, now: () => number, maxBudgets = MAX_BUDGETS): Budgets {
  const buckets = new Map<string, TokenBucket>();
  let sweptAt = now();

  function sweep(at: number): void {
    sweptAt = at;
    for (const [who, bucket] of buckets) if (bucket.isFull(limit, at)) buckets.delete(who);
  }

  function bucketOf(who: string, at: number): TokenBucket {
    const known = buckets.get(who);
    if (known) return known;
    if (at - sweptAt > limit.windowMs) sweep(at);
    if (buckets.size >= maxBudgets) {
      // The one that was made first: a flood of addresses must not cost memory without end.
      const [oldest] = buckets.keys();
      if (oldest !== undefined) buckets.delete(oldest);
    }
    const bucket = new TokenBucket(limit, at);
    buckets.set(who, bucket);
    return bucket;
  }

  return {
    take(who, cost = 1) {
      const at = now();
      return bucketOf(who, at).take(cost, limit, at);
    },
    charge: (who, cost) => bucketOf(who, now()).charge(cost),
  };
}
