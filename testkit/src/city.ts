/**
 * A small city: an HTTP server that speaks as much of NYC Open Data's API (SODA 2.1) as a client needs, holds rows that
 * tests alter, keeps the system fields as the real one does, and fails in all the ways that were seen of the real one.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type CityRow, type Columns, SoqlError } from './soql.js';
import { select } from './soql-select.js';

export { type CityRow, parseWhere } from './soql.js';

/** How one answer goes wrong. */
export type CityFault =
  | { readonly kind: 'throttled'; readonly retryAfter?: string }
  | { readonly kind: 'preparing' }
  | { readonly kind: 'server'; readonly status?: number }
  /** As the replica still has the rows of the last `snapshot`; `says` puts the warning header on. */
  | { readonly kind: 'stale'; readonly says: boolean }
  | { readonly kind: 'truncated' }
  | { readonly kind: 'missing-column'; readonly column: string }
  /** The status line comes, the body does not. */
  | { readonly kind: 'slow' }
  /** The connection is cut. */
  | { readonly kind: 'cut' }
  /** As of a dataset that does not know `:updated_at`. */
  | { readonly kind: 'no-system-fields' }
  /** A well-formed answer without any row. */
  | { readonly kind: 'empty' };

export interface CityRequest {
  readonly dataset: string;
  readonly query: URLSearchParams;
  readonly token: string | undefined;
}

export interface CityOptions {
  /** Files called `<anything>.<dataset id>.json`, each a list of rows. */
  readonly folder?: string;
  /** Milliseconds since 1970, for the system fields. Default: Date.now. */
  readonly now?: () => number;
  /** Columns that are numbers in the city's schema. Default: those of the datasets used here. */
  readonly numbers?: readonly string[];
  /** Decides for each request whether and how it fails. */
  readonly fault?: (request: CityRequest) => CityFault | undefined;
}

export interface City {
  readonly url: string;
  readonly requests: readonly CityRequest[];
  /** The rows as they are now, system fields included. */
  rows(dataset: string): CityRow[];
  /** Adds a row, with new system fields. */
  insert(dataset: string, row: CityRow): CityRow;
  /** Alters the rows that match; a value of undefined removes the column. All get the same `:updated_at`. */
  update(
    dataset: string,
    matches: (row: CityRow) => boolean,
    change: Readonly<Record<string, string | undefined>>,
  ): number;
  /** Removes rows. Nothing tells of it afterwards. */
  remove(dataset: string, matches: (row: CityRow) => boolean): number;
  /** What the city does now and then: the same rows, all with new system fields. */
  replace(dataset: string): void;
  /** Remembers the rows for `stale`. */
  snapshot(dataset: string): void;
  /** The next `times` answers fail, of any dataset or of one. */
  failNext(fault: CityFault, times?: number, dataset?: string): void;
  close(): Promise<void>;
}

const NUMBERS = ['violationid', 'boroid'];
const SYSTEM_FIELDS = [':id', ':created_at', ':updated_at'];

/** Whether the folder with the city's sample rows is there, and where. */
export function sampleFolder(): string | undefined {
  const candidates = [process.env.BELFRY_SAMPLES, join(import.meta.dirname, '../../../shared/samples/nyc')];
  return candidates.find((folder) => folder !== undefined && existsSync(folder));
}

/** Starts a city on a free port of the loopback address. */
export async function startCity(options: CityOptions = {}): Promise<City> {
  const now = options.now ?? Date.now;
  const numbers = new Set(options.numbers ?? NUMBERS);
  const datasets = new Map<string, CityRow[]>();
  const snapshots = new Map<string, CityRow[]>();
  const columnsOf = new Map<string, Set<string>>();
  const planned: { fault: CityFault; dataset: string | undefined }[] = [];
  const requests: CityRequest[] = [];
  let ids = 0;

  const stamp = (): string => new Date(now()).toISOString();
  const rowsOf = (dataset: string): CityRow[] => {
    const rows = datasets.get(dataset) ?? [];
    datasets.set(dataset, rows);
    return rows;
  };
  const withSystemFields = (row: CityRow): CityRow => {
    ids += 1;
    const at = stamp();
    return { ...row, ':id': `row-${String(ids).padStart(8, '0')}`, ':created_at': at, ':updated_at': at };
  };
  const insert = (dataset: string, row: CityRow): CityRow => {
    const columns = columnsOf.get(dataset) ?? new Set(SYSTEM_FIELDS);
    for (const column of Object.keys(row)) columns.add(column);
    columnsOf.set(dataset, columns);
    const added = withSystemFields(row);
    rowsOf(dataset).push(added);
    return added;
  };
  const schemaOf = (dataset: string, without: string | undefined): Columns => ({
    has: (column) => column !== without && (columnsOf.get(dataset)?.has(column) ?? false),
    isNumber: (column) => numbers.has(column),
  });
  for (const [dataset, rows] of readFolder(options.folder)) for (const row of rows) insert(dataset, row);

  function faultFor(request: CityRequest): CityFault | undefined {
    const index = planned.findIndex(({ dataset }) => dataset === undefined || dataset === request.dataset);
    return index >= 0 ? planned.splice(index, 1)[0]?.fault : options.fault?.(request);
  }

  function answer(request: CityRequest, fault: CityFault | undefined, response: ServerResponse): void {
    const without = fault?.kind === 'missing-column' ? fault.column : undefined;
    const stored = fault?.kind === 'stale' ? snapshots.get(request.dataset) : undefined;
    const rows = fault?.kind === 'empty' ? [] : (stored ?? rowsOf(request.dataset));
    const selected = select(rows, request.query, schemaOf(request.dataset, without));
    const body = JSON.stringify(selected.rows);
    response.setHeader('content-type', 'application/json;charset=utf-8');
    response.setHeader('x-soda2-fields', JSON.stringify(selected.fields));
    response.setHeader('x-soda2-data-out-of-date', String(fault?.kind === 'stale' && fault.says));
    response.setHeader('x-soda2-truth-last-modified', new Date(lastChange(rows)).toUTCString());
    if (fault?.kind === 'slow') {
      response.flushHeaders();
      return;
    }
    response.end(fault?.kind === 'truncated' ? body.slice(0, Math.max(1, Math.floor(body.length * 0.7) - 1)) : body);
  }

  const server = createServer((message: IncomingMessage, response: ServerResponse) => {
    const url = new URL(message.url ?? '/', 'http://city');
    const dataset = /^\/resource\/([\w-]+)\.json$/.exec(url.pathname)?.[1] ?? '';
    const token = message.headers['x-app-token'];
    const request = { dataset, query: url.searchParams, token: typeof token === 'string' ? token : undefined };
    requests.push(request);
    if (!datasets.has(dataset)) return refuse(response, 404, 'dataset.missing', 'Not found');
    const fault = faultFor(request);
    if (fault?.kind === 'cut') return void message.socket.destroy();
    if (fault?.kind === 'throttled') {
      if (fault.retryAfter !== undefined) response.setHeader('retry-after', fault.retryAfter);
      return refuse(response, 429, 'throttled', 'Too many requests');
    }
    if (fault?.kind === 'preparing') return refuse(response, 202, 'preparing', 'Not ready yet');
    if (fault?.kind === 'server') return refuse(response, fault.status ?? 503, 'server', 'Something went wrong');
    if (fault?.kind === 'no-system-fields' && url.search.includes('updated_at')) {
      return refuse(response, 400, 'query.compiler.malformed', 'Could not understand :updated_at');
    }
    try {
      answer(request, fault, response);
    } catch (error) {
      if (!(error instanceof SoqlError)) throw error;
      refuse(response, 400, error.code, error.message);
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));

  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    requests,
    rows: (dataset) => [...rowsOf(dataset)],
    insert,
    update(dataset, matches, change) {
      const at = stamp();
      const rows = rowsOf(dataset);
      let changed = 0;
      for (const [index, row] of rows.entries()) {
        if (!matches(row)) continue;
        const merged = Object.entries({ ...row, ...change, ':updated_at': at });
        rows[index] = Object.fromEntries(merged.filter((entry): entry is [string, string] => entry[1] !== undefined));
        changed += 1;
      }
      return changed;
    },
    remove(dataset, matches) {
      const rows = rowsOf(dataset);
      const kept = rows.filter((row) => !matches(row));
      datasets.set(dataset, kept);
      return rows.length - kept.length;
    },
    replace: (dataset) => void datasets.set(dataset, rowsOf(dataset).map(withSystemFields)),
    snapshot: (dataset) => void snapshots.set(dataset, [...rowsOf(dataset)]),
    failNext(fault, times = 1, dataset = undefined) {
      for (let i = 0; i < times; i += 1) planned.push({ fault, dataset });
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function readFolder(folder: string | undefined): [string, CityRow[]][] {
  if (folder === undefined) return [];
  return readdirSync(folder).flatMap((file) => {
    const dataset = /\.([a-z0-9]{4}-[a-z0-9]{4})\.json$/.exec(file)?.[1];
    return dataset ? [[dataset, JSON.parse(readFileSync(join(folder, file), 'utf8')) as CityRow[]]] : [];
  });
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response
    .writeHead(status, { 'content-type': 'application/json' })
    .end(JSON.stringify({ code, error: true, message }));
}

const lastChange = (rows: readonly CityRow[]): number =>
  rows.reduce((latest, row) => Math.max(latest, Date.parse(row[':updated_at'] ?? '')), 0);
