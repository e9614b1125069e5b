/** What a question selects: $select (columns, or the aggregates over all rows), $where, $order, $limit, $offset. */
import { type CityRow, type Columns, compareValues, parseWhere, SoqlError } from './soql.js';

export interface Selected {
  readonly rows: object[];
  /** The columns of the answer, for the header that names them. */
  readonly fields: string[];
}

/** @throws SoqlError for what the city would refuse */
export function select(rows: readonly CityRow[], query: URLSearchParams, columns: Columns): Selected {
  const where = query.get('$where');
  const condition = where ? parseWhere(where, columns) : () => true;
  const found = rows.filter((row) => condition(row) === true);
  const wanted = (query.get('$select') ?? '*').split(',').map((column) => column.trim());
  if (wanted.some((column) => column.includes('('))) return aggregate(found, wanted, columns);
  for (const column of wanted) {
    if (column !== '*' && !columns.has(column)) {
      throw new SoqlError('query.soql.no-such-column', `No such column: ${column}`);
    }
  }
  const sorted = sort(found, query.get('$order') ?? ':id', columns);
  const offset = Number(query.get('$offset') ?? 0);
  const page = sorted.slice(offset, offset + Number(query.get('$limit') ?? 1_000));
  const every = wanted.includes('*');
  const shown = (column: string): boolean =>
    every ? !column.startsWith(':') && columns.has(column) : wanted.includes(column);
  return {
    rows: page.map((row) => Object.fromEntries(Object.entries(row).filter(([column]) => shown(column)))),
    fields: every ? [...new Set(found.flatMap((row) => Object.keys(row)))].filter(shown) : wanted,
  };
}

/** `count(*) as n`, `min(column) as x`, `max(column) as x` over all rows. */
function aggregate(rows: readonly CityRow[], wanted: readonly string[], columns: Columns): Selected {
  const result: Record<string, string> = {};
  for (const expression of wanted) {
    const match = /^(count|min|max)\(([:*\w]+)\) as (\w+)$/.exec(expression);
    if (!match) throw new SoqlError('query.compiler.malformed', `not understood: ${expression}`);
    const [, operation, column = '', name = ''] = match;
    if (operation === 'count') {
      result[name] = String(rows.length);
      continue;
    }
    if (!columns.has(column)) throw new SoqlError('query.soql.no-such-column', `No such column: ${column}`);
    const values = rows
      .flatMap((row) => row[column] ?? [])
      .sort((a, b) => compareValues(a, b, columns.isNumber(column)));
    const value = operation === 'min' ? values[0] : values.at(-1);
    if (value !== undefined) result[name] = value;
  }
  return { rows: [result], fields: Object.keys(result) };
}

function sort(rows: readonly CityRow[], order: string, columns: Columns): CityRow[] {
  const keys = order.split(',').map((part) => {
    const [column = '', direction] = part.trim().split(/\s+/);
    if (!columns.has(column)) throw new SoqlError('query.soql.no-such-column', `No such column: ${column}`);
    return { column, sign: direction?.toUpperCase() === 'DESC' ? -1 : 1 };
  });
  return [...rows].sort((a, b) => {
    for (const { column, sign } of keys) {
      const [left, right] = [a[column], b[column]];
      if (left === right) continue;
      // Absent values come last, as in the real one.
      if (left === undefined) return 1;
      if (right === undefined) return -1;
      const compared = compareValues(left, right, columns.isNumber(column));
      if (compared !== 0) return compared * sign;
    }
    return 0;
  });
}
