/**
 * As much of the city's query language as its clients here use: conditions with AND, OR, NOT, comparisons, IN, LIKE,
 * IS NULL. Written from its documentation and not from the client, so that both have to be wrong in the same way to agree.
 * Like SQL it knows three values: a comparison with an absent value is neither true nor false.
 */
export type CityRow = Readonly<Record<string, string>>;
type Truth = boolean | undefined;
export type Condition = (row: CityRow) => Truth;

/** What the city answers with status 400. */
export class SoqlError extends Error {
  readonly code: string;

  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface Columns {
  has(column: string): boolean;
  /** Compared as numbers: "9" before "10". */
  isNumber(column: string): boolean;
}

/** @throws SoqlError for what does not parse, and for columns that do not exist */
export function parseWhere(text: string, columns: Columns): Condition {
  const tokens = tokensOf(text);
  let at = 0;
  const peek = (): string => tokens[at] ?? '';
  const isWord = (word: string): boolean => peek().toUpperCase() === word;
  const fail = (): never => {
    throw new SoqlError('query.compiler.malformed', `unexpected ${JSON.stringify(peek())} at token ${at} of ${text}`);
  };
  const take = (word?: string): string => {
    if (at >= tokens.length || (word !== undefined && !isWord(word))) fail();
    return tokens[at++] as string;
  };

  function either(): Condition {
    const parts = [both()];
    while (isWord('OR')) {
      take();
      parts.push(both());
    }
    return (row) => anyOf(parts.map((part) => part(row)));
  }
  function both(): Condition {
    const parts = [negated()];
    while (isWord('AND')) {
      take();
      parts.push(negated());
    }
    return (row) => not(anyOf(parts.map((part) => not(part(row)))));
  }
  function negated(): Condition {
    if (isWord('NOT')) {
      take();
      const inner = negated();
      return (row) => not(inner(row));
    }
    if (peek() !== '(') return comparison();
    take('(');
    const inner = either();
    take(')');
    return inner;
  }
  function comparison(): Condition {
    const column = take();
    if (!/^[:\w]+$/.test(column)) fail();
    if (!columns.has(column)) throw new SoqlError('query.soql.no-such-column', `No such column: ${column}`);
    const operator = take().toUpperCase();
    if (operator === 'IS') return isNull(column);
    if (operator === 'NOT') {
      const inner = listOrPattern(column, take().toUpperCase());
      return (row) => not(inner(row));
    }
    if (operator === 'IN' || operator === 'LIKE') return listOrPattern(column, operator);
    if (!['=', '!=', '<>', '<', '<=', '>', '>='].includes(operator)) fail();
    const compare = comparer(columns, column, value());
    return (row) => holds(operator, compare(row));
  }
  function isNull(column: string): Condition {
    const negative = isWord('NOT');
    if (negative) take();
    take('NULL');
    return (row) => (row[column] === undefined) !== negative;
  }
  function listOrPattern(column: string, operator: string): Condition {
    if (operator === 'LIKE') {
      const pattern = new RegExp(`^${value().split('%').map(escaped).join('.*')}$`, 's');
      return (row) => (row[column] === undefined ? undefined : pattern.test(row[column]));
    }
    if (operator !== 'IN') fail();
    take('(');
    const compare = [comparer(columns, column, value())];
    while (peek() === ',') {
      take();
      compare.push(comparer(columns, column, value()));
    }
    take(')');
    return (row) => anyOf(compare.map((one) => holds('=', one(row))));
  }
  function value(): string {
    const token = take();
    if (token.startsWith("'")) return token.slice(1, -1).replaceAll("''", "'");
    return /^-?\d+(?:\.\d+)?$/.test(token) ? token : fail();
  }

  const condition = either();
  if (at !== tokens.length) fail();
  return condition;
}

function tokensOf(text: string): string[] {
  const tokens = text.match(/'(?:[^']|'')*'|<=|>=|!=|<>|[=<>(),]|[:\w.-]+|\S/g);
  return tokens ?? [];
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');
const not = (truth: Truth): Truth => (truth === undefined ? undefined : !truth);

function anyOf(truths: readonly Truth[]): Truth {
  if (truths.includes(true)) return true;
  return truths.includes(undefined) ? undefined : false;
}

/** Negative, zero or positive, as the row's value is below, equal to or above `wanted`; undefined for an absent value. */
function comparer(columns: Columns, column: string, wanted: string): (row: CityRow) => number | undefined {
  const number = columns.isNumber(column);
  if (number && !Number.isFinite(Number(wanted))) {
    throw new SoqlError('query.soql.type-mismatch', `Type mismatch: ${column} is a number, '${wanted}' is none`);
  }
  return (row) => {
    const value = row[column];
    if (value === undefined) return undefined;
    return compareValues(value, wanted, number);
  };
}

/** The order of two values of a column. */
export function compareValues(a: string, b: string, asNumbers: boolean): number {
  if (asNumbers) return Number(a) - Number(b);
  if (a === b) return 0;
  return a < b ? -1 : 1;
}

function holds(operator: string, compared: number | undefined): Truth {
  if (compared === undefined) return undefined;
  switch (operator) {
    case '=':
      return compared === 0;
    case '!=':
    case '<>':
      return compared !== 0;
    case '<':
      return compared < 0;
    case '<=':
      return compared <= 0;
    case '>':
      return compared > 0;
    default:
      return compared >= 0;
  }
}
