/**
 * What the program knows of one of the city's datasets. A new dataset is one file with one such description, and one
 * line in `datasets.ts`; nothing else in this folder knows a dataset by name.
 */
import { MAX_DESCRIPTION_LENGTH, type Violation } from '../../changes/change.js';
import { type BblRule, placeOf, type QuarantineReason } from './bbl.js';
import { cell, type DateFormat, dayOf, type Row, readable } from './row.js';
import type { Graded } from './severity.js';

/** `unknown` (a new or absent value) counts as open: an error must never look like "no violations". */
export type RowStatus = 'open' | 'closed' | 'unknown';

export interface Dataset {
  /** How settings, logs and metrics call it: `dob-bis`. */
  readonly name: string;
  /** The city's id: `3h2n-5cm9`. */
  readonly id: string;
  /** The violation type it reports under. Datasets of one type make one report together. */
  readonly violationType: string;
  /** Where two datasets of a type know the same number, the one with the higher precedence says what is so. */
  readonly precedence: number;
  /** The column that identifies a row for good. Never `:id`, which a replacement of the dataset changes. */
  readonly key: string;
  /**
   * The columns that are asked for: an allow-list. Respondents' names, phone numbers and owners are in none of them and so
   * never enter this process.
   */
  readonly columns: readonly string[];
  /** Columns without which a page cannot be understood. */
  readonly required: readonly string[];
  readonly date: { readonly column: string; readonly format: DateFormat };
  readonly bbl: BblRule;
  /** SoQL that leaves out what the city has closed; undefined to read everything of a property. */
  readonly notClosed: string | undefined;
  status(row: Row): RowStatus;
  /** The number people know the violation by, stable over its life; undefined where the row has none. */
  number(row: Row): string | undefined;
  class(row: Row): string | undefined;
  severity(row: Row): Graded;
  text(row: Row): string | undefined;
}

/** One row, understood. `key` names it inside its dataset. */
export type Classified =
  | { readonly kind: 'quarantined'; readonly key: string | undefined; readonly reason: QuarantineReason }
  | { readonly kind: 'closed'; readonly key: string; readonly bbl: string; readonly number: string }
  | {
      readonly kind: 'open';
      readonly key: string;
      readonly bbl: string;
      readonly violation: Violation;
      /** Values that no rule knows, by field: for a counter. */
      readonly unknown: readonly ('status' | 'severity')[];
    };

const MAX_NUMBER_LENGTH = 64;
const MAX_CLASS_LENGTH = 64;

/** Understands one row. Never throws, whatever the row holds. */
export function classify(dataset: Dataset, row: Row): Classified {
  const key = readable(cell(row, dataset.key), MAX_NUMBER_LENGTH);
  if (!key) return { kind: 'quarantined', key, reason: 'no_key' };
  const place = placeOf(row, dataset.bbl);
  if ('reason' in place) return { kind: 'quarantined', key, reason: place.reason };
  const number = readable(dataset.number(row), MAX_NUMBER_LENGTH) ?? key;
  const status = dataset.status(row);
  if (status === 'closed') return { kind: 'closed', key, bbl: place.bbl, number };
  const grade = dataset.severity(row);
  return {
    kind: 'open',
    key,
    bbl: place.bbl,
    violation: violationOf(dataset, row, number, grade),
    unknown: [
      ...(status === 'unknown' ? (['status'] as const) : []),
      ...(grade.unknown ? (['severity'] as const) : []),
    ],
  };
}

function violationOf(dataset: Dataset, row: Row, number: string, grade: Graded): Violation {
  const date = dayOf(cell(row, dataset.date.column), dataset.date.format);
  const ofClass = readable(dataset.class(row), MAX_CLASS_LENGTH);
  const description = readable(dataset.text(row), MAX_DESCRIPTION_LENGTH);
  return {
    number,
    ...(date ? { date } : {}),
    ...(ofClass ? { class: ofClass } : {}),
    severity: grade.severity,
    ...(description ? { description } : {}),
  };
}
