/**
 * Whose figures are to be counted when: at once where something has changed, but at most once in a while; anew when what is
 * known of them runs out. Pure of Redis, so that time can be held still.
 */
export interface Due {
  /** Somebody who is to be kept up to date from now on; `fresh` sends them their figures in any case. */
  add(userId: string, fresh: boolean): void;
  drop(userId: string): void;
  has(userId: string): boolean;
  readonly size: number;
  /** Something of theirs has changed. Who is not kept up to date is left alone. */
  touch(userId: string): void;
  touchAll(): void;
  /** Those whose turn it is, at most so many: each is with the caller until `done` or `later`. */
  take(atMost: number): readonly Turn[];
  /** @param countedAt milliseconds since 1970: from then on the interval runs */
  done(userId: string, countedAt: number): void;
  /** It did not work out: again in a while. */
  later(turn: Turn, ms: number): void;
}

export interface Turn {
  readonly userId: string;
  readonly fresh: boolean;
}

interface Kept {
  fresh: boolean;
  /** Not before, in milliseconds. */
  notBefore: number;
  /** In any case then. */
  renewAt: number;
  inHand: boolean;
}

export function createDue(options: {
  readonly now: () => number;
  readonly intervalMs: number;
  readonly renewMs: number;
}): Due {
  const { intervalMs, now, renewMs } = options;
  const users = new Map<string, Kept>();
  /** Touched, in the order in which it happened. */
  const waiting = new Set<string>();
  let renewedAt = now();

  function touch(userId: string): void {
    if (users.has(userId)) waiting.add(userId);
  }

  /** Looked at once per interval only: what runs out then is minutes old. */
  function renew(): void {
    if (now() - renewedAt < intervalMs) return;
    renewedAt = now();
    for (const [userId, { inHand, renewAt }] of users) if (renewAt <= now() && !inHand) touch(userId);
  }

  return {
    add(userId, fresh) {
      const known = users.get(userId);
      if (known) known.fresh ||= fresh;
      else users.set(userId, { fresh, notBefore: 0, renewAt: now() + renewMs, inHand: false });
      touch(userId);
    },
    drop(userId) {
      users.delete(userId);
      waiting.delete(userId);
    },
    has: (userId) => users.has(userId),
    get size() {
      return users.size;
    },
    touch,
    touchAll() {
      for (const userId of users.keys()) touch(userId);
    },
    take(atMost) {
      renew();
      const turns: Turn[] = [];
      for (const userId of waiting) {
        if (turns.length === atMost) break;
        const kept = users.get(userId);
        if (!kept || kept.inHand || kept.notBefore > now()) continue;
        waiting.delete(userId);
        turns.push({ userId, fresh: kept.fresh });
        Object.assign(kept, { fresh: false, inHand: true });
      }
      return turns;
    },
    done(userId, countedAt) {
      const kept = users.get(userId);
      if (kept) Object.assign(kept, { inHand: false, notBefore: countedAt + intervalMs, renewAt: countedAt + renewMs });
    },
    later({ fresh, userId }, ms) {
      const kept = users.get(userId);
      if (!kept) return;
      Object.assign(kept, { inHand: false, notBefore: now() + ms, fresh: kept.fresh || fresh });
      touch(userId);
    },
  };
}
