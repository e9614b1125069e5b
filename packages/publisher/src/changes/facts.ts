/**
 * Facts: what is known of one property and one violation type, compact enough to be read and written with every change.
 * In Redis a fact is JSON: `{"c":7,"o":["35123456",3,"35123457",-1],"s":2,"n":[1967050,2]}`.
 */
import { SEVERITIES, type Severity } from '@belfry/shared/protocol';
import { readStored } from '@belfry/shared/service';

export interface Facts {
  /** Open violations. May be more than `open` holds, where only their number was reported. */
  readonly count: number;
  /** The open violations that are known by number, with their severity where it is known. */
  readonly open: ReadonlyMap<string, Severity | undefined>;
  /** The severity last given for the whole, where the single violations did not tell. */
  readonly severity: Severity | undefined;
  /** How many were new in which quarter of an hour, of the last day. */
  readonly recent?: Quarters | undefined;
  /** How many were resolved, likewise. */
  readonly resolved?: Quarters | undefined;
}

/** Quarter of an hour, number, quarter, number …, oldest first. */
export type Quarters = readonly number[];

interface Encoded {
  readonly c: number;
  readonly o?: readonly (string | number)[];
  readonly s?: number;
  readonly n?: readonly number[];
  readonly r?: readonly number[];
}

export const QUARTER_SECONDS = 900;
const QUARTERS_A_DAY = 96;
const NONE: Quarters = [];

const quarterOf = (seconds: number): number => Math.floor(seconds / QUARTER_SECONDS);

/**
 * Those of the last day once `count` more have come. What happened longer ago than a day is left out.
 * @param happened seconds since 1970; of what claims to come from the future it counts that it is here
 */
export function recentWith(known: Quarters = NONE, count: number, happened: number, now: number): Quarters | undefined {
  const oldest = quarterOf(now) - QUARTERS_A_DAY;
  const quarter = quarterOf(Math.min(happened, now));
  const counts = count > 0 && quarter >= oldest;
  if (!counts && (known[0] ?? oldest) >= oldest) return known.length === 0 ? undefined : known;
  // Nearly always the newest one.
  if (counts && known.at(-2) === quarter && (known[0] as number) >= oldest) {
    return [...known.slice(0, -1), (known.at(-1) as number) + count];
  }
  const byQuarter = new Map<number, number>();
  for (let n = 0; n + 1 < known.length; n += 2) {
    if ((known[n] as number) >= oldest) byQuarter.set(known[n] as number, known[n + 1] as number);
  }
  if (counts) byQuarter.set(quarter, (byQuarter.get(quarter) ?? 0) + count);
  const sorted = [...byQuarter].sort(([a], [b]) => a - b).flat();
  return sorted.length === 0 ? undefined : sorted;
}

/** Quarter and number of those within a day before `now` (seconds), to a quarter of an hour. */
export function* withinADay(recent: Quarters, now: number): Iterable<readonly [quarter: number, count: number]> {
  const oldest = quarterOf(now) - QUARTERS_A_DAY;
  for (let n = 0; n + 1 < recent.length; n += 2) {
    if ((recent[n] as number) >= oldest) yield [recent[n] as number, recent[n + 1] as number];
  }
}

/** Severity of what nobody gave one. */
export const DEFAULT_SEVERITY: Severity = 'medium';

/** How many are open of each severity, the worst first; those without one of their own have that of the whole. */
export function openBySeverity({ count, open, severity = DEFAULT_SEVERITY }: Facts): Partial<Record<Severity, number>> {
  const counts = new Map<Severity, number>([[severity, Math.max(0, count - open.size)]]);
  for (const each of open.values()) counts.set(each ?? severity, (counts.get(each ?? severity) ?? 0) + 1);
  const sorted = SEVERITIES.toReversed().flatMap((each) => {
    const found = counts.get(each);
    return found ? [[each, found] as const] : [];
  });
  return Object.fromEntries(sorted);
}

export function encodeFacts(facts: Facts): string {
  const open: (string | number)[] = [];
  for (const [number, severity] of facts.open) open.push(number, severity ? SEVERITIES.indexOf(severity) : -1);
  const encoded: Encoded = {
    c: facts.count,
    ...(open.length > 0 ? { o: open } : {}),
    ...(facts.severity ? { s: SEVERITIES.indexOf(facts.severity) } : {}),
    ...(facts.recent ? { n: facts.recent } : {}),
    ...(facts.resolved ? { r: facts.resolved } : {}),
  };
  return JSON.stringify(encoded);
}

/**
 * The facts behind what `encodeFacts` wrote; undefined where there are none yet, and where somebody else wrote there: the
 * next report then counts as a property's first, instead of stopping the property for good. Never throws.
 */
export function decodeFacts(text: string | undefined): Facts | undefined {
  const encoded = text === undefined ? undefined : readEncoded(text);
  if (!encoded) return undefined;
  const { c, o = [], s, n: recent, r: resolved } = encoded;
  const open = new Map<string, Severity | undefined>();
  for (let at = 0; at + 1 < o.length; at += 2) open.set(String(o[at]), SEVERITIES[o[at + 1] as number]);
  return { count: c, open, severity: s === undefined ? undefined : SEVERITIES[s], recent, resolved };
}

const readEncoded = (text: string): Encoded | undefined =>
  readStored<Encoded>(text, 'fact', ({ c, n, o, r }) => {
    const isCount = Number.isSafeInteger(c) && (c as number) >= 0;
    return isCount && [o ?? [], n ?? [], r ?? []].every((list) => Array.isArray(list));
  });
