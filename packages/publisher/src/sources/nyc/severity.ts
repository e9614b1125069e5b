/**
 * How grave the city's values are. The mapping follows nyc.gov's own words (ECB class 1 and HPD class C are "immediately
 * hazardous"; HPD class A is the mildest, which others have read the wrong way round) and is for open violations only:
 * a closing is never critical. A value that nobody has seen yet is `medium` and marked, so that it can be counted.
 */
import type { Severity } from '@belfry/shared/protocol';
import { worse } from '@belfry/shared/protocol';

export interface Graded {
  readonly severity: Severity;
  /** The value that no rule knows; undefined when all is known. */
  readonly unknown?: string;
}

const graded = (severity: Severity): Graded => ({ severity });
const unknown = (value: string | undefined): Graded => ({ severity: 'medium', unknown: value ?? '(absent)' });

/** Words that close a building or a site. Whole words: "WADSWORTH" holds SWO. */
const ORDER = /\b(?:VACATE|STOP[\s-]+WORK|SWO)\b/i;
/** An order that was taken back; "partially rescinded" is still in force for the rest. */
const RESCINDED = /\b(?:RESCINDED|LIFTED)\b/i;
const PARTIALLY = /\bPARTIAL(?:LY)?\b/i;

/** Whether `texts` speak of a vacate or stop-work order that is in force. */
function ordersOut(...texts: readonly (string | undefined)[]): boolean {
  const text = texts.filter((part) => part !== undefined).join(' ');
  return ORDER.test(text) && (!RESCINDED.test(text) || PARTIALLY.test(text));
}

/** Raises a grade to critical where the texts speak of an order in force. */
export const withOrders = (grade: Graded, ...texts: readonly (string | undefined)[]): Graded =>
  ordersOut(...texts) ? { ...grade, severity: worse(grade.severity, 'critical') } : grade;

/** HPD's `class`: C immediately hazardous, B hazardous, A not hazardous, I information orders. */
export function hpdSeverity(hpdClass: string | undefined): Graded {
  switch (hpdClass) {
    case 'C':
      return graded('critical');
    case 'B':
      return graded('high');
    case 'A':
      return graded('low');
    case 'I':
      return graded('info');
    default:
      return unknown(hpdClass);
  }
}

/** ECB's `severity`: `CLASS - 1` to `CLASS - 3`, and the words used until 2009. */
export function ecbSeverity(text: string | undefined): Graded {
  switch (text?.toUpperCase().replace(/\s+/g, '')) {
    case 'CLASS-1':
      return graded('critical');
    case 'CLASS-2':
    case 'HAZARDOUS':
      return graded('high');
    case 'UNKNOWN':
      return graded('medium');
    case 'CLASS-3':
    case 'NON-HAZARDOUS':
      return graded('low');
    default:
      return unknown(text);
  }
}

/** Failure to certify that an immediately hazardous condition was corrected: `AEUHAZ1`, `FTC-AEU-HAZ`. */
const UNCERTIFIED_HAZARD = /AEU-?HAZ/;

/** BIS: the category's prefix says most (`VH`, `VWH` hazardous; `VW`, `VPW` work without permit). */
export function dobBisSeverity(category: string | undefined, typeCode: string | undefined): Graded {
  if (!category) return unknown(category);
  if (!/^V[A-Z]*[*%]?-/.test(category)) return unknown(category);
  if (category.includes('HAZARDOUS')) return graded('critical');
  if (/^V(?:W|PW)\b/.test(category) || UNCERTIFIED_HAZARD.test(typeCode ?? '')) return graded('high');
  return graded('medium');
}

/** DOB NOW: most are paperwork; `FTF-…` is a failure to file. */
export function dobNowSeverity(type: string | undefined): Graded {
  if (!type) return unknown(type);
  if (UNCERTIFIED_HAZARD.test(type)) return graded('high');
  if (type.startsWith('FTF-')) return graded('low');
  return graded('medium');
}
