/**
 * What a lane remembers of the facts it has read or written, so that most changes need no question to Redis. Being wrong
 * is harmless: an append names the position its facts were true for, and is refused where the channel has moved on.
 */
import type { Facts } from '../changes/facts.js';

/** What is known of a channel, at one position of the lane. */
export interface KnownFacts {
  /** The lane's position in the channel: everything up to it is in these facts. */
  readonly applied: string;
  /** Per violation type; undefined as a value: there are none yet. A type that is missing was not asked for. */
  readonly byType: ReadonlyMap<string, Facts | undefined>;
}

export interface FactsCache {
  get(channel: string): KnownFacts | undefined;
  set(channel: string, known: KnownFacts): void;
  drop(channel: string): void;
}

/** A fact without violations costs about this many bytes, each open violation about half of it. */
const BYTES_PER_TYPE = 200;
const BYTES_PER_VIOLATION = 100;

/** @param maxBytes estimated; beyond it the channels that were used longest ago are forgotten */
export function createFactsCache(maxBytes: number): FactsCache {
  // Least recently used first: a Map keeps the order of insertion.
  const entries = new Map<string, { known: KnownFacts; bytes: number }>();
  let total = 0;

  function drop(channel: string): void {
    total -= entries.get(channel)?.bytes ?? 0;
    entries.delete(channel);
  }

  return {
    get: (channel) => entries.get(channel)?.known,
    set(channel, known) {
      drop(channel);
      const bytes = estimate(known);
      entries.set(channel, { known, bytes });
      total += bytes;
      for (const oldest of entries.keys()) {
        if (total <= maxBytes) break;
        drop(oldest);
      }
    },
    drop,
  };
}

function estimate(known: KnownFacts): number {
  let bytes = BYTES_PER_TYPE;
  for (const facts of known.byType.values()) bytes += BYTES_PER_TYPE + BYTES_PER_VIOLATION * (facts?.open.size ?? 0);
  return bytes;
}
