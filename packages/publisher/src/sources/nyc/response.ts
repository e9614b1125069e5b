/**
 * Judges one answer of the city's API: either rows that can be trusted, or a failure with a code. An empty list is only
 * ever returned when the city itself said, in time and in full, that there are no such rows.
 */
import type { Dataset } from './dataset.js';
import { CityFailure } from './failure.js';
import type { Row } from './row.js';

export interface Page {
  readonly rows: readonly Row[];
  /** Milliseconds since 1970 at which the dataset last changed, where the city says so. */
  readonly changedAt: number | undefined;
}

export interface Expected {
  /** Columns that were asked for and that the dataset says are required. */
  readonly required: readonly string[];
  readonly maxBytes: number;
  readonly now: number;
}

/** @throws CityFailure for everything that is not a complete page of the present data */
export async function readPage(dataset: Dataset, response: Response, expected: Expected): Promise<Page> {
  if (response.status !== 200) throw await refusal(dataset, response, expected.now);
  if (response.headers.get('x-soda2-data-out-of-date')?.toLowerCase() === 'true') {
    await discard(response);
    throw new CityFailure('stale', `${dataset.name}: the city's replica says that it is out of date`);
  }
  const rows = parseRows(dataset, await readText(dataset, response, expected.maxBytes));
  checkColumns(dataset, rows, response.headers.get('x-soda2-fields'), expected.required);
  return { rows, changedAt: dateHeader(response.headers.get('x-soda2-truth-last-modified')) };
}

async function refusal(dataset: Dataset, response: Response, now: number): Promise<CityFailure> {
  const { status } = response;
  const said = (await readText(dataset, response, 4_096).catch(() => '')).replace(/\s+/g, ' ').slice(0, 200);
  const message = `${dataset.name}: HTTP ${status}${said ? `: ${said}` : ''}`;
  if (status >= 300 && status < 400) {
    const to = (response.headers.get('location') ?? 'nowhere').slice(0, 100);
    return new CityFailure(
      'network',
      `${dataset.name}: redirected to ${to}; NYC_BASE_URL must be where the city answers itself`,
    );
  }
  const retryAfterMs = retryAfter(response.headers.get('retry-after'), now);
  if (status === 429) return new CityFailure('throttled', message, { retryAfterMs });
  // 202 means that the city is still preparing the answer.
  if (status === 202) return new CityFailure('not_ready', message, { retryAfterMs });
  if (status >= 500 || status === 408) return new CityFailure('server', message, { retryAfterMs });
  if (status !== 400) return new CityFailure('refused', message);
  const column = /no-such-column/.test(said) ? /column:?\s*['"]?([:\w]+)/i.exec(said)?.[1] : undefined;
  return column
    ? new CityFailure('schema', `${dataset.name}: the city has no column ${column}`, { column })
    : new CityFailure('bad_query', message);
}

/** Reads at most `maxBytes`: an endless answer must not fill the memory. */
async function readText(dataset: Dataset, response: Response, maxBytes: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  const reader = response.body?.getReader();
  while (reader) {
    const { done, value } = await reader.read();
    if (done) break;
    bytes += value.byteLength;
    if (bytes > maxBytes) {
      await reader.cancel();
      throw new CityFailure('too_large', `${dataset.name}: the answer is larger than ${maxBytes} bytes`);
    }
    chunks.push(value);
  }
  return Buffer.concat(chunks).toString('utf8');
}

/** Frees the connection of an answer that nobody reads. */
const discard = async (response: Response): Promise<void> => response.body?.cancel();

function parseRows(dataset: Dataset, text: string): Row[] {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (cause) {
    const what = /^\s*</.test(text)
      ? 'a web page instead of rows, as of a proxy or of maintenance'
      : 'no complete JSON';
    throw new CityFailure('truncated', `${dataset.name}: the answer is ${what}`, { cause });
  }
  const isRow = (row: unknown): row is Row => typeof row === 'object' && row !== null && !Array.isArray(row);
  if (!Array.isArray(parsed) || !parsed.every(isRow)) {
    const said = text.replace(/\s+/g, ' ').slice(0, 100);
    throw new CityFailure('schema', `${dataset.name}: the answer is no list of rows: ${said}`);
  }
  return parsed;
}

/**
 * The city leaves empty values out, so one row says nothing about a column; its header with the fields does, and so does
 * a column that not one row of a page has.
 */
function checkColumns(
  dataset: Dataset,
  rows: readonly Row[],
  header: string | null,
  required: readonly string[],
): void {
  const fields = fieldsOf(header);
  for (const column of required) {
    const there = fields ? fields.has(column) : rows.length === 0 || rows.some((row) => Object.hasOwn(row, column));
    if (!there) throw new CityFailure('schema', `${dataset.name}: column ${column} is missing`, { column });
  }
}

function fieldsOf(header: string | null): ReadonlySet<unknown> | undefined {
  if (!header) return undefined;
  try {
    const fields: unknown = JSON.parse(header);
    return Array.isArray(fields) ? new Set(fields) : undefined;
  } catch {
    // Long headers are known to be cut on the way; then the rows have to tell.
    return undefined;
  }
}

/** Seconds or a date, as RFC 9110 allows; in milliseconds from `now`. */
export function retryAfter(header: string | null, now: number): number | undefined {
  if (!header) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1_000;
  const at = dateHeader(header);
  return at === undefined ? undefined : Math.max(0, at - now);
}

function dateHeader(header: string | null): number | undefined {
  const time = header ? Date.parse(header) : Number.NaN;
  return Number.isNaN(time) ? undefined : time;
}
