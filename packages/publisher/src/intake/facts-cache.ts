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

/**
 * Two generations: what is used moves to the young one, and when that is full the old one is forgotten. That costs no
 * more than a Map does.
 *
 * @param maxBytes estimated, of both generations
 */
export function createFactsCache(maxBytes: number): FactsCache {
  let young = new Map<string, KnownFacts>();
  let old: ReadonlyMap<string, KnownFacts | undefined> = new Map();
  let bytes = 0;

  function keep(channel: string, known: KnownFacts): void {
    bytes += estimate(known) - estimate(young.get(channel));
    young.set(channel, known);
    if (bytes <= maxBytes / 2) return;
    old = young;
    young = new Map();
    bytes = 0;
  }

  return {
    get(channel) {
      const known = young.get(channel);
      if (known) return known;
      const older = old.get(channel);
      if (older) keep(channel, older);
      return older;
    },
    set: keep,
    drop(channel) {
      bytes -= estimate(young.get(channel));
      young.delete(channel);
      // A change of the old generation is rare: only conflicts drop what was not used lately.
      if (old.has(channel)) old = new Map(old).set(channel, undefined);
    },
  };
}

function estimate(known: KnownFacts | undefined): number {
  if (!known) return 0;
  let bytes = BYTES_PER_TYPE;
  for (const facts of known.byType.values()) bytes += BYTES_PER_TYPE + BYTES_PER_VIOLATION * (facts?.open.size ?? 0);
  return bytes;
}
