/**
 * How much each receiver has in hand, and until when it is left alone. Whoever fails is left alone for longer with each
 * failure, until something succeeds. Only receivers that there is something to remember of are kept.
 */
import type { Clock } from '@belfry/shared/service';

/** The place that a delivery takes at its receiver. */
export interface Visit {
  /** Leaves it. A receiver that refused for good has answered: it has neither failed nor shown that it works. */
  end(result: 'succeeded' | 'failed' | 'refused'): void;
}

export interface Receivers {
  /** One of the receiver's `places`, or when to ask again (milliseconds since 1970). */
  enter(receiver: string, places: number): Visit | number;
  /** How many are remembered. */
  size(): number;
}

export interface ReceiversOptions {
  readonly clock: Clock;
  /** Milliseconds that a receiver is left alone after its first failure; they double with each. */
  readonly firstPauseMs: number;
}

export const MAX_PAUSE_MS = 60_000;
const CROWDED_MS = 1_000;

interface Receiver {
  inHand: number;
  failures: number;
  pausedUntil: number;
  /** When it last answered, or was first asked. */
  heardAt: number;
}

export function createReceivers({ clock, firstPauseMs }: ReceiversOptions): Receivers {
  const receivers = new Map<string, Receiver>();
  let sweepAt = clock.now() + MAX_PAUSE_MS;

  /** Who failed is remembered beyond the pause: it is the next failure that makes it longer. */
  function sweep(now: number): void {
    if (now < sweepAt) return;
    sweepAt = now + MAX_PAUSE_MS;
    for (const [name, { inHand, pausedUntil }] of receivers) {
      if (inHand === 0 && pausedUntil + MAX_PAUSE_MS <= now) receivers.delete(name);
    }
  }

  return {
    enter(name, places) {
      const now = clock.now();
      sweep(now);
      const receiver = receivers.get(name) ?? { inHand: 0, failures: 0, pausedUntil: 0, heardAt: now };
      if (receiver.pausedUntil > now || receiver.inHand >= places) {
        // The longer it hangs, the longer the others wait: thousands that ask every second cost a core.
        const crowded = Math.min(MAX_PAUSE_MS, Math.max(CROWDED_MS, now - receiver.heardAt));
        return Math.max(receiver.pausedUntil, now + crowded);
      }
      receivers.set(name, receiver);
      if (receiver.inHand === 0) receiver.heardAt = now;
      receiver.inHand += 1;
      return {
        end(result) {
          receiver.inHand -= 1;
          receiver.heardAt = clock.now();
          if (result === 'failed') {
            receiver.failures += 1;
            const pause = Math.min(MAX_PAUSE_MS, firstPauseMs * 2 ** (receiver.failures - 1));
            receiver.pausedUntil = clock.now() + pause;
          } else if (result === 'succeeded') {
            receiver.failures = 0;
            receiver.pausedUntil = 0;
          }
          // Not before: the others in hand would count for nothing.
          if (receiver.inHand === 0 && receiver.failures === 0) receivers.delete(name);
        },
      };
    },
    size: () => receivers.size,
  };
}
