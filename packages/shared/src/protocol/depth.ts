/** How deep events may be nested: whoever takes one says no, before anything walks through it. */

/** Readers in other languages give up at some hundred levels, and so does whatever writes JSON here at some thousand. */
export const MAX_DEPTH = 64;

export const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((inner) => isDeeper(inner, levels - 1)));
