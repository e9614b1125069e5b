/**
 * The figures of a portfolio, made of one part per property: pure. A part holds the quarters of an hour in which
 * violations were new or resolved, so that the sum of a day is right also minutes after the part was made.
 */
import { decodeFacts, openBySeverity, QUARTER_SECONDS, type Quarters, withinADay } from '../changes/facts.js';

export interface Figures {
  readonly open_violations: number;
  readonly critical: number;
  /** To a quarter of an hour. */
  readonly new_24h: number;
  /** Likewise. */
  readonly resolved_24h: number;
}

/** Of one quarter of an hour, which begins `at` (seconds since 1970). */
type QuarterFigures = readonly [at: number, added: number, resolved: number];

/** What `kpi:update` says beside its channel and type. */
export interface Kpis extends Figures {
  readonly properties: number;
  readonly by_type: Readonly<Record<string, Figures>>;
  /** What makes up the figures of a day, oldest first; without the quarters in which nothing happened. */
  readonly by_quarter: readonly QuarterFigures[];
}

/** Per violation type. */
export type Part = readonly (readonly [
  type: string,
  open: number,
  critical: number,
  recent: Quarters,
  resolved: Quarters,
])[];

/** @param facts a property's, by violation type, as Redis has them */
export function partOf(facts: Readonly<Record<string, string>>): Part {
  const part: [string, number, number, Quarters, Quarters][] = [];
  for (const [type, text] of Object.entries(facts)) {
    const known = decodeFacts(text);
    if (known && (known.count > 0 || known.recent || known.resolved)) {
      part.push([type, known.count, openBySeverity(known).critical ?? 0, known.recent ?? [], known.resolved ?? []]);
    }
  }
  return part;
}

/** @param now seconds since 1970 */
export function sumOf(parts: readonly Part[], now: number): Kpis {
  const byType = new Map<string, Counting>();
  const byQuarter = new Map<number, [added: number, resolved: number]>();
  const all = nothing();

  /** @returns how many it were; `which` is their place in a quarter's figures */
  function counted(quarters: Quarters, which: 0 | 1): number {
    let sum = 0;
    for (const [quarter, count] of withinADay(quarters, now)) {
      const figures = byQuarter.get(quarter) ?? [0, 0];
      figures[which] += count;
      byQuarter.set(quarter, figures);
      sum += count;
    }
    return sum;
  }

  for (const part of parts) {
    for (const [type, open, critical, recent, resolved] of part) {
      const fresh = counted(recent, 0);
      const gone = counted(resolved, 1);
      if (open === 0 && fresh === 0 && gone === 0) continue;
      const sum = byType.get(type) ?? nothing();
      byType.set(type, sum);
      for (const to of [sum, all]) {
        to.open_violations += open;
        to.critical += critical;
        to.new_24h += fresh;
        to.resolved_24h += gone;
      }
    }
  }
  const sorted = [...byType].sort(([a], [b]) => (a < b ? -1 : 1));
  const quarters = [...byQuarter].sort(([a], [b]) => a - b);
  return {
    properties: parts.length,
    ...all,
    // `fromEntries` makes own fields also of names such as __proto__.
    by_type: Object.fromEntries(sorted),
    by_quarter: quarters.map(([quarter, figures]) => [quarter * QUARTER_SECONDS, ...figures]),
  };
}

type Counting = { -readonly [name in keyof Figures]: number };

const nothing = (): Counting => ({ open_violations: 0, critical: 0, new_24h: 0, resolved_24h: 0 });
