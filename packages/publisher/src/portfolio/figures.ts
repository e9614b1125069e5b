/**
 * The figures of a portfolio, made of one part per property: pure. A part holds the quarters of an hour in which
 * violations were new, so that the sum of a day is right also minutes after the part was made.
 */
import { decodeFacts, newWithinADay, openBySeverity } from '../changes/facts.js';

export interface Figures {
  readonly open_violations: number;
  readonly critical: number;
  /** To a quarter of an hour. */
  readonly new_24h: number;
}

/** What `kpi:update` says beside its channel and type. */
export interface Kpis extends Figures {
  readonly properties: number;
  readonly by_type: Readonly<Record<string, Figures>>;
}

/** Per violation type: open, critical, then quarter and number in turn. */
export type Part = readonly (readonly [type: string, open: number, critical: number, ...recent: number[]])[];

/** @param facts a property's, by violation type, as Redis has them */
export function partOf(facts: Readonly<Record<string, string>>): Part {
  const part: [string, number, number, ...number[]][] = [];
  for (const [type, text] of Object.entries(facts)) {
    const known = decodeFacts(text);
    if (known && (known.count > 0 || known.recent)) {
      part.push([type, known.count, openBySeverity(known).critical ?? 0, ...(known.recent ?? [])]);
    }
  }
  return part;
}

/** @param now seconds since 1970 */
export function sumOf(parts: readonly Part[], now: number): Kpis {
  const byType = new Map<string, { open_violations: number; critical: number; new_24h: number }>();
  const all = { open_violations: 0, critical: 0, new_24h: 0 };
  for (const part of parts) {
    for (const [type, open, critical, ...recent] of part) {
      const fresh = newWithinADay(recent, now);
      if (open === 0 && fresh === 0) continue;
      let sum = byType.get(type);
      if (!sum) {
        sum = { open_violations: 0, critical: 0, new_24h: 0 };
        byType.set(type, sum);
      }
      for (const to of [sum, all]) {
        to.open_violations += open;
        to.critical += critical;
        to.new_24h += fresh;
      }
    }
  }
  const sorted = [...byType].sort(([a], [b]) => (a < b ? -1 : 1));
  // `fromEntries` makes own fields also of names such as __proto__.
  return { properties: parts.length, ...all, by_type: Object.fromEntries(sorted) };
}
