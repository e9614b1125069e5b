/** Which events are under way, who should get them, and what became of each of them at each listener. */
import type { Outcome } from './metrics.js';

export interface ProbesOptions<L> {
  /** Milliseconds since anything, never going back. */
  readonly now: () => number;
  readonly lostAfterMs: number;
  /** Whether the listener is subscribed now. */
  readonly joined: (listener: L) => boolean;
  readonly onOutcome: (outcome: Outcome, listener: L, delayMs: number) => void;
}

export interface Probes<L> {
  /** An event is being sent; `listeners` are those that were subscribed before. */
  sent(nonce: string, listeners: Iterable<L>): void;
  /** The publisher did not accept it: nobody has to get it. */
  refused(nonce: string): void;
  received(nonce: unknown, listener: L, how: 'live' | 'replayed'): void;
  /** The listener was told that continuity is lost. */
  told(listener: L): void;
  /** The gateway is not there any more. */
  gone(listener: L): void;
  /** Looks for events that are overdue; to be called often. */
  sweep(): void;
  readonly underWay: number;
}

interface Probe<L> {
  readonly sentAt: number;
  readonly awaited: Set<L>;
}

export function createProbes<L>(options: ProbesOptions<L>): Probes<L> {
  const { lostAfterMs, now } = options;
  const probes = new Map<string, Probe<L>>();

  const settle = (probe: Probe<L>, listener: L, outcome: Outcome): void => {
    if (probe.awaited.delete(listener)) options.onOutcome(outcome, listener, now() - probe.sentAt);
  };

  return {
    sent: (nonce, listeners) => void probes.set(nonce, { sentAt: now(), awaited: new Set(listeners) }),
    refused: (nonce) => void probes.delete(nonce),
    received: (nonce, listener, how) => {
      const probe = typeof nonce === 'string' ? probes.get(nonce) : undefined;
      if (probe) settle(probe, listener, how);
    },
    told: (listener) => {
      for (const probe of probes.values()) settle(probe, listener, 'told');
    },
    gone: (listener) => {
      for (const probe of probes.values()) probe.awaited.delete(listener);
    },
    sweep: () => {
      for (const [nonce, probe] of probes) {
        if (now() - probe.sentAt < lostAfterMs) return;
        // A listener that is not connected is not told otherwise either: it may still get the event when it comes back.
        for (const listener of [...probe.awaited]) {
          settle(probe, listener, options.joined(listener) ? 'lost' : 'unreached');
        }
        probes.delete(nonce);
      }
    },
    get underWay() {
      return probes.size;
    },
  };
}
