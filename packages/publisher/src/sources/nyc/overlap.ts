/**
 * What one dataset says of one property, and how the datasets of a violation type become one list in which nothing is
 * counted twice: BIS and DOB NOW hold some violations both.
 */
import { worse } from '@belfry/shared/protocol';
import { type Change, MAX_VIOLATIONS_PER_CHANGE, type Violation } from '../../changes/change.js';
import type { Classified } from './dataset.js';

/** One dataset's word on one property. */
export interface Part {
  readonly open: readonly Violation[];
  /** Numbers that the dataset says are closed, as far as they were read. */
  readonly closed: readonly string[];
}

/**
 * From classified rows of one property and dataset to its part. Rows with the same key are one violation, open if one of
 * them is. Different violations under one number (BIS numbers are not unique) stay apart: the one with the lowest key has
 * the number, so that closing either takes one off the count.
 */
export function partOf(rows: Iterable<Classified>): Part {
  const open = new Map<string, Violation>();
  const closed = new Map<string, string>();
  for (const row of rows) {
    if (row.kind === 'open') open.set(row.key, row.violation);
    else if (row.kind === 'closed') closed.set(row.key, row.number);
  }
  for (const key of open.keys()) closed.delete(key);
  const taken = new Set<string>();
  const numbered = [...open]
    .sort(([a], [b]) => a.length - b.length || (a < b ? -1 : 1))
    .map(([key, violation]) => {
      const number = taken.has(violation.number)
        ? `${violation.number.slice(0, 40)} (${key.slice(0, 20)})`
        : violation.number;
      taken.add(number);
      return number === violation.number ? violation : { ...violation, number };
    });
  return { open: numbered, closed: [...closed.values()] };
}

/** One list of open violations. `parts` come with the dataset that decides first: what it knows, others do not add. */
export function mergeParts(parts: readonly Part[]): Violation[] {
  const decided = new Set<string>();
  return parts.flatMap(({ open, closed }) => {
    const added = open.filter(({ number }) => !decided.has(number));
    for (const { number } of open) decided.add(number);
    for (const number of closed) decided.add(number);
    return added;
  });
}

/** The report of a property: all open violations, or, where they are too many for one entry, their number. */
export function reportOf(bbl: string, violationType: string, open: readonly Violation[], baseline: boolean): Change {
  const common = { property_id: bbl, violation_type: violationType, ...(baseline ? { baseline } : {}) };
  if (open.length <= MAX_VIOLATIONS_PER_CHANGE) return { ...common, violations: [...open] };
  const severity = open.reduce(
    (worst, violation) => worse(worst, violation.severity ?? 'medium'),
    open[0]?.severity ?? 'medium',
  );
  return { ...common, count: open.length, severity };
}
