/**
 * Which rows changed since the last poll. The city tells by `:updated_at`; where it refuses that (it did for one dataset)
 * by the date of issue. It also recognises that there is too much to follow row by row: a replaced dataset, in which
 * every row looks changed, or more pages than it takes to read every watched property anew.
 */
import type { CityClient } from './client.js';
import type { Dataset } from './dataset.js';
import { CityFailure } from './failure.js';
import type { Cursor } from './ledger.js';
import { pagesOf } from './pages.js';
import type { Quarantine } from './quarantine.js';
import type { Page } from './response.js';
import { cell, literal } from './row.js';
import { addRow, columnsOf, type RowsRead } from './rows-read.js';

export interface ChangedRows {
  /** Rows at watched properties. */
  readonly rows: RowsRead;
  /** Where the next poll begins, once these were handed on. */
  readonly next: Cursor;
  /** Every watched property must be read: `rows` are not all. */
  readonly everything: boolean;
  /** The city replaced the dataset: all its rows are new, whether or not anything in them is. */
  readonly replaced: boolean;
}

export interface ChangedRowsOptions {
  readonly client: CityClient;
  readonly quarantine: Quarantine;
  readonly pageRows: number;
  /** Milliseconds in which the city may still bring rows before ones that were read already. */
  readonly overlapMs: number;
  /** After so many pages reading every property is cheaper. */
  readonly maxPages: number;
  /** Asked before each page is used, so that properties that are watched since the poll began are not missed. */
  readonly watched: () => Promise<ReadonlySet<string>>;
  readonly now: () => number;
}

/** How long a dataset without system fields is believed not to have them. */
const UNDATED_MS = 24 * 3_600_000;
/** Without system fields: how far back the date of issue is looked at. Older changes are found by reading in full. */
const UNDATED_WINDOW_DAYS = 30;

/** Where the dataset ends now. @throws CityFailure, also for a dataset without any row: that is not believed */
export async function readHead(client: CityClient, dataset: Dataset, now: number): Promise<Cursor> {
  const by = [':updated_at', dataset.key];
  const order = by.map((column) => `${column} DESC`);
  const page = await orUndated(client.ask(dataset, { select: by, order, limit: 1 }));
  if (!page) return { at: '', key: '', polledAt: now, undatedUntil: now + UNDATED_MS };
  const [row] = page.rows;
  const at = row && cell(row, ':updated_at');
  const key = row && cell(row, dataset.key);
  if (!at || !key) throw new CityFailure('schema', `${dataset.name}: the city says that it has no rows at all`);
  return { at, key, polledAt: now };
}

/** The rows that changed behind `cursor`. @throws CityFailure; then nothing may be concluded and the cursor stays */
export async function readChangedRows(
  dataset: Dataset,
  cursor: Cursor,
  options: ChangedRowsOptions,
): Promise<ChangedRows> {
  const polledAt = options.now();
  if (cursor.undatedUntil !== undefined) {
    if (cursor.undatedUntil > polledAt) return readByIssueDate(dataset, { ...cursor, polledAt }, options);
    return everything(await readHead(options.client, dataset, polledAt), false);
  }
  const changed = await orUndated(readByUpdate(dataset, cursor, polledAt, options));
  return changed ?? everything({ ...cursor, polledAt, undatedUntil: polledAt + UNDATED_MS }, false);
}

const everything = (next: Cursor, replaced: boolean): ChangedRows => ({
  rows: new Map(),
  next,
  everything: true,
  replaced,
});

async function readByUpdate(
  dataset: Dataset,
  cursor: Cursor,
  polledAt: number,
  options: ChangedRowsOptions,
): Promise<ChangedRows> {
  const rows: RowsRead = new Map();
  let next: Cursor = { ...cursor, polledAt };
  let pages = 0;
  for await (const page of pagesOf(options.client, dataset, {
    select: columnsOf(dataset, true),
    by: [':updated_at', dataset.key],
    after: windowStart(cursor, options.overlapMs),
    pageRows: options.pageRows,
  })) {
    pages += 1;
    const looksNew =
      pages === 1 && page.rows.length > 0 && page.rows.every((row) => (cell(row, ':created_at') ?? '') > cursor.at);
    const replaced = looksNew && (await isReplaced(dataset, cursor, options.client));
    if (replaced || pages > options.maxPages)
      return everything(await readHead(options.client, dataset, polledAt), replaced);
    await takePage(page, dataset, rows, options);
    const last = page.rows.at(-1);
    const at = last && cell(last, ':updated_at');
    // A replica that lags may end before the cursor: the cursor never goes back.
    if (last && at && at >= next.at) next = { at, key: cell(last, dataset.key) ?? '', polledAt };
  }
  return { rows, next, everything: false, replaced: false };
}

/**
 * Rows that come late, with a stamp before the cursor, are found by reading the last minutes again; but only for as long
 * as those minutes are young, or the city's one burst a day would be read again with every poll until the next one.
 */
function windowStart(cursor: Cursor, overlapMs: number): string[] {
  const settled = cursor.polledAt - overlapMs;
  return Date.parse(cursor.at) > settled ? [new Date(settled).toISOString()] : [cursor.at, cursor.key];
}

/** Whether no row of the dataset is older than what was read last. */
async function isReplaced(dataset: Dataset, cursor: Cursor, client: CityClient): Promise<boolean> {
  const page = await client.ask(dataset, { select: ['min(:created_at) as oldest'], order: [], limit: 1 });
  const oldest = page.rows[0] && cell(page.rows[0], 'oldest');
  return oldest !== undefined && oldest > cursor.at;
}

async function readByIssueDate(dataset: Dataset, next: Cursor, options: ChangedRowsOptions): Promise<ChangedRows> {
  const rows: RowsRead = new Map();
  const since = new Date(next.polledAt - UNDATED_WINDOW_DAYS * 86_400_000).toISOString().slice(0, 10);
  const { column, format } = dataset.date;
  let pages = 0;
  for await (const page of pagesOf(options.client, dataset, {
    select: columnsOf(dataset, false),
    where: `${column} >= ${literal(format === 'compact' ? since.replaceAll('-', '') : `${since}T00:00:00.000`)}`,
    by: [column, dataset.key],
    pageRows: options.pageRows,
  })) {
    pages += 1;
    if (pages > options.maxPages) return everything(next, false);
    await takePage(page, dataset, rows, options);
  }
  return { rows, next, everything: false, replaced: false };
}

async function takePage(page: Page, dataset: Dataset, rows: RowsRead, options: ChangedRowsOptions): Promise<void> {
  const watched = await options.watched();
  const unplaced = page.rows.flatMap((row) => {
    const classified = addRow(rows, dataset, row, watched);
    return classified.kind === 'quarantined' ? [classified] : [];
  });
  await options.quarantine.add(dataset, unplaced);
}

/** Undefined where the city does not understand the question, or names a system field as a column that it does not have. */
async function orUndated<T>(asked: Promise<T>): Promise<T | undefined> {
  try {
    return await asked;
  } catch (error) {
    if (error instanceof CityFailure && (error.code === 'bad_query' || error.column?.startsWith(':'))) return undefined;
    throw error;
  }
}
