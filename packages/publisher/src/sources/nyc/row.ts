/**
 * One row as the city's API sends it: lower-case names, every value a string, empty values absent. Everything else in it
 * (nested locations, numbers) is of no use here and read as absent.
 */
export type Row = Readonly<Record<string, unknown>>;

/** A column's text without surrounding blanks; undefined when it is absent, blank or no text. Numbers count as text. */
export function cell(row: Row, column: string): string | undefined {
  const value = Object.hasOwn(row, column) ? row[column] : undefined;
  if (typeof value === 'number' && Number.isFinite(value)) return String(value);
  if (typeof value !== 'string') return undefined;
  const trimmed = value.trim();
  return trimmed === '' ? undefined : trimmed;
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: removing control characters is the point
const CONTROL_AND_BLANK = /[\s\u0000-\u001f\u007f-\u009f]+/g;

/**
 * Text as a person reads it: control characters and the padding of the city's fixed-width fields become single blanks,
 * and what is longer than `max` UTF-16 units is cut, marked by an ellipsis. Undefined when nothing is left.
 */
export function readable(text: string | undefined, max: number): string | undefined {
  const clean = text?.replace(CONTROL_AND_BLANK, ' ').trim();
  if (!clean) return undefined;
  if (clean.length <= max) return clean;
  const cut = clean.slice(0, max - 1);
  // Half of a surrogate pair at the end would be an invalid character on the wire.
  const whole = /[\ud800-\udbff]$/.test(cut) ? cut.slice(0, -1) : cut;
  return `${whole.trimEnd()}…`;
}

/** How a column writes its dates: `20180126`, or `2018-01-26T00:00:00.000`. */
export type DateFormat = 'compact' | 'iso';

/** The day as `YYYY-MM-DD`; undefined for what is no day of the calendar (the city has `00000000` and the like). */
export function dayOf(text: string | undefined, format: DateFormat): string | undefined {
  const match =
    text && (format === 'compact' ? /^(\d{4})(\d{2})(\d{2})$/ : /^(\d{4})-(\d{2})-(\d{2})(?:T|$)/).exec(text);
  if (!match) return undefined;
  const day = `${match[1]}-${match[2]}-${match[3]}`;
  const time = Date.parse(`${day}T00:00:00Z`);
  return Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== day ? undefined : day;
}

/** A text as a SoQL literal. */
export const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;
