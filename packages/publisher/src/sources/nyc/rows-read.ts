/**
 * Classified rows of several properties, by property and row. Readings are laid over each other by `:updated_at`: when
 * one of them came from a replica that lags, the newer word on a row wins.
 */
import { type Classified, classify, type Dataset } from './dataset.js';
import { cell, type Row } from './row.js';

export interface ReadRow {
  /** `:updated_at`; empty where the dataset has none. Of one format, so texts compare as times. */
  readonly stamp: string;
  readonly row: Exclude<Classified, { kind: 'quarantined' }>;
}

/** BBL → row's identity → the row. */
export type RowsRead = Map<string, Map<string, ReadRow>>;

/** The columns to ask for: what the dataset allows, and the system fields where it has them. */
export const columnsOf = (dataset: Dataset, dated: boolean): string[] =>
  dated ? [':id', ':created_at', ':updated_at', ...dataset.columns] : [...dataset.columns];

/** Classifies `row` and adds it, if it can be placed at one of `wanted`. Returns what it was. */
export function addRow(read: RowsRead, dataset: Dataset, row: Row, wanted: ReadonlySet<string>): Classified {
  const classified = classify(dataset, row);
  if (classified.kind === 'quarantined' || !wanted.has(classified.bbl)) return classified;
  // `:id` serves to tell rows apart inside one reading only: a replacement changes it.
  const identity = cell(row, ':id') ?? classified.key;
  const rows = rowsAt(read, classified.bbl);
  const stamp = cell(row, ':updated_at') ?? '';
  if ((rows.get(identity)?.stamp ?? '') <= stamp) rows.set(identity, { stamp, row: classified });
  return classified;
}

/** Adds to `read` what `others` know better: rows that it lacks or has in an older version. */
export function overlay(read: RowsRead, others: RowsRead): void {
  for (const [bbl, rows] of others) {
    const present = rowsAt(read, bbl);
    for (const [identity, row] of rows) {
      const known = present.get(identity);
      if (!known || known.stamp < row.stamp) present.set(identity, row);
    }
  }
}

function rowsAt(read: RowsRead, bbl: string): Map<string, ReadRow> {
  const rows = read.get(bbl) ?? new Map<string, ReadRow>();
  read.set(bbl, rows);
  return rows;
}
