/** Ids of intake entries, `<ms>-<seq>`: their order is the order in which changes were accepted. */

/** Where an intake that was never read begins. */
export const FIRST_ID = '0-0';

/** Where the dash stands in the ids of this time and the next two centuries. */
const DASH_AT = 13;
const DASH = 45;

/** Negative when `a` comes before `b`, 0 when they are the same, positive when `a` comes after `b`. */
export function compareIds(a: string, b: string): number {
  if (a === b) return 0;
  // Several times per entry: equally long numbers are ordered as their digits are.
  if (a.length === b.length && a.charCodeAt(DASH_AT) === DASH && b.charCodeAt(DASH_AT) === DASH) return a < b ? -1 : 1;
  const dashA = a.indexOf('-');
  const dashB = b.indexOf('-');
  return (
    compareDecimals(a.slice(0, dashA), b.slice(0, dashB)) || compareDecimals(a.slice(dashA + 1), b.slice(dashB + 1))
  );
}

/** Of numbers without leading zeros, as text: both parts of an id have 64 bits, and a number tells 53 of them apart. */
function compareDecimals(a: string, b: string): number {
  if (a === b) return 0;
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : 1;
}

export const laterId = (a: string, b: string): string => (compareIds(a, b) >= 0 ? a : b);
export const earlierId = (a: string, b: string): string => (compareIds(a, b) <= 0 ? a : b);

/** Milliseconds since 1970 at which Redis accepted the entry. */
export const millisecondsOf = (id: string): number => Number(id.slice(0, id.indexOf('-')));

/** Counts entries of the same millisecond. */
export const sequenceOf = (id: string): number => Number(id.slice(id.indexOf('-') + 1));
