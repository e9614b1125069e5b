/**
 * What lies under our keys in Redis and is none of ours: somebody else wrote it, or a version that nobody knows any more.
 * It is skipped, as if nothing lay there, and counted. One count for the process, as it has one standard error: what reads
 * Redis reaches down to pure functions, which would have to be handed a counter for what should never happen.
 */
import { Counter, type Registry } from 'prom-client';

/** What it was taken for. Few and known: each is a series. */
const FOREIGN_PLACES = [
  'board',
  'digest',
  'fact',
  'ledger',
  'node',
  'portfolio',
  'portfolio_part',
  'preferences',
  'presence',
  'revocation',
  'source',
  'trace',
  'undelivered',
] as const;
export type ForeignPlace = (typeof FOREIGN_PLACES)[number];

const skipped = new Map<ForeignPlace, number>(FOREIGN_PLACES.map((place) => [place, 0]));

export function countForeign(place: ForeignPlace): void {
  skipped.set(place, (skipped.get(place) ?? 0) + 1);
}

/** How many there were since the process began. */
export const foreignCount = (place: ForeignPlace): number => skipped.get(place) ?? 0;

/**
 * JSON that Redis holds, where it is what it should be; undefined where there is none, and where it is foreign, which is
 * counted. Never throws.
 * @param isSound says of an object or list whether it is one of ours
 */
export function readStored<T extends object>(
  text: string | null | undefined,
  place: ForeignPlace,
  isSound: (value: Partial<T>) => boolean,
): T | undefined {
  if (text === null || text === undefined) return undefined;
  try {
    const value: unknown = JSON.parse(text);
    if (typeof value === 'object' && value !== null && isSound(value)) return value as T;
  } catch {
    // Counted below, with what is JSON and something else.
  }
  countForeign(place);
  return undefined;
}

/** Shows the counts. */
export function watchForeign(registry: Registry): void {
  new Counter({
    name: 'belfry_foreign_total',
    help: 'Values found in Redis that are none of ours, and were skipped; by what they were taken for',
    labelNames: ['place'],
    registers: [registry],
    collect() {
      this.reset();
      for (const [place, count] of skipped) this.inc({ place }, count);
    },
  });
}
