/** Reads the rows of some properties from the city: whatever it has not closed. */
import { whereIn } from './bbl.js';
import type { CityClient } from './client.js';
import type { Dataset } from './dataset.js';
import { pagesOf } from './pages.js';
import { addRow, columnsOf, type RowsRead } from './rows-read.js';

/** Twenty properties make a question of at most 5,000 characters, which the city's servers take. */
export const PROPERTIES_PER_QUESTION = 20;

export interface PropertyRowsOptions {
  readonly client: CityClient;
  readonly pageRows: number;
  /** Whether the dataset has system fields. */
  readonly dated: boolean;
  /** Called for a value that no rule knows. */
  readonly onUnknown: (dataset: Dataset, field: 'status' | 'severity') => void;
}

/**
 * The rows of `bbls`, at most PROPERTIES_PER_QUESTION of them. A property that the result lacks has none.
 *
 * @throws CityFailure; then nothing is known of any of the properties
 */
export async function readPropertyRows(
  dataset: Dataset,
  bbls: readonly string[],
  options: PropertyRowsOptions,
): Promise<RowsRead> {
  const { client, pageRows, dated, onUnknown } = options;
  const wanted = new Set(bbls);
  const read: RowsRead = new Map();
  const where = [`(${whereIn(bbls, dataset.bbl)})`, dataset.notClosed].filter(Boolean).join(' AND ');
  for await (const page of pagesOf(client, dataset, {
    select: columnsOf(dataset, dated),
    where,
    by: [dataset.key],
    pageRows,
  })) {
    for (const row of page.rows) {
      const classified = addRow(read, dataset, row, wanted);
      if (classified.kind === 'open') for (const field of classified.unknown) onUnknown(dataset, field);
    }
  }
  return read;
}
