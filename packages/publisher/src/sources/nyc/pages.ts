/**
 * Reads all rows of a question, page by page, by the values of the last row and never by offset: rows that change while
 * pages are read move others across an offset, but not across a value.
 */
import type { CityClient } from './client.js';
import type { Dataset } from './dataset.js';
import { CityFailure } from './failure.js';
import type { Page } from './response.js';
import { cell, literal, type Row } from './row.js';

export interface PagedQuestion {
  readonly select: readonly string[];
  readonly where?: string | undefined;
  /** Columns that order the rows; every row has them, and together they single out a row or nearly so. */
  readonly by: readonly string[];
  /** Where to begin: only rows behind these values of the first columns of `by`. */
  readonly after?: readonly string[] | undefined;
  readonly pageRows: number;
}

/**
 * Yields pages until one is not full. A page begins again with the last row of the one before it (another row may share
 * all of its ordering values), so rows can come twice: what reads them must not mind.
 *
 * @throws CityFailure as `ask` does; pages that were already yielded remain true
 */
export async function* pagesOf(client: CityClient, dataset: Dataset, question: PagedQuestion): AsyncGenerator<Page> {
  const { by, pageRows, select, where } = question;
  let after = question.after;
  let inclusive = false;
  for (;;) {
    const behind = after && conditionBehind(by, after, inclusive);
    const both = [where && `(${where})`, behind && `(${behind})`].filter(Boolean).join(' AND ');
    const page = await client.ask(dataset, { select, where: both || undefined, order: by, limit: pageRows });
    yield page;
    const last = page.rows.at(-1);
    if (!last || page.rows.length < pageRows) return;
    const values = valuesOf(dataset, last, by);
    // A full page of rows that are all alike: going on inclusively would never end.
    inclusive = !(inclusive && values.every((value, index) => value === after?.[index]));
    after = values;
  }
}

function valuesOf(dataset: Dataset, row: Row, by: readonly string[]): string[] {
  return by.map((column) => {
    const value = cell(row, column);
    if (value === undefined) {
      throw new CityFailure('schema', `${dataset.name}: a row has no ${column}, by which it is ordered`, { column });
    }
    return value;
  });
}

/** `a > 'A' OR (a = 'A' AND b > 'B')` */
function conditionBehind(by: readonly string[], values: readonly string[], inclusive: boolean): string {
  return by
    .slice(0, values.length)
    .map((column, index) => {
      const same = by.slice(0, index).map((earlier, i) => `${earlier}=${literal(values[i] ?? '')}`);
      const comparison = inclusive && index === by.length - 1 ? '>=' : '>';
      const parts = [...same, `${column} ${comparison} ${literal(values[index] ?? '')}`].join(' AND ');
      return same.length === 0 ? parts : `(${parts})`;
    })
    .join(' OR ');
}
