/**
 * From a row to its property's BBL (borough 1 + block 5 + lot 4), and from BBLs to the question that finds their rows.
 * Both directions are here because they must agree: a row that the question would not find is not attributed either,
 * or the violation would come with an incremental read and vanish, as if resolved, with the next full one.
 *
 * What cannot be placed gets a reason and no BBL: an invented property is worse than a counted gap.
 */
import { cell, literal, type Row } from './row.js';

/** Why a row has no usable BBL. Closed: it labels a metric. */
export const QUARANTINE_REASONS = [
  'no_key',
  'no_bbl',
  'bad_bbl',
  'no_borough',
  'unknown_borough',
  'contradicted_borough',
  'no_block',
  'bad_block',
  'zero_block',
  'no_lot',
  'bad_lot',
  'zero_lot',
] as const;
export type QuarantineReason = (typeof QUARANTINE_REASONS)[number];

export type Placed = { readonly bbl: string } | { readonly reason: QuarantineReason };

/** Where a dataset keeps what makes a BBL: the BBL itself, its parts, or both. */
export interface BblRule {
  /** The column with the BBL itself; preferred, since for condominiums it differs from block and lot. */
  readonly published?: string;
  readonly parts?: BblParts;
}

export interface BblParts {
  readonly boro: string;
  readonly block: string;
  readonly lot: string;
  /** The building's number. Its first digit is the borough, and contradicts a borough that was typed wrongly. */
  readonly bin: string;
  /** `padded`: texts, lots with 4 or 5 digits, boroughs in any writing. `plain`: numbers. */
  readonly form: 'padded' | 'plain';
}

/** All ways in which the city's datasets write a borough. A bare B is not among them: it can be two boroughs. */
const BOROUGH_FORMS: Readonly<Record<string, readonly string[]>> = {
  '1': ['1', 'M', 'MN', 'MANHATTAN'],
  '2': ['2', 'X', 'BX', 'BRONX'],
  '3': ['3', 'K', 'BK', 'BROOKLYN'],
  '4': ['4', 'Q', 'QN', 'QUEENS'],
  '5': ['5', 'R', 'SI', 'STATEN ISLAND'],
};
const BOROUGH_OF: ReadonlyMap<string, string> = new Map(
  Object.entries(BOROUGH_FORMS).flatMap(([code, forms]) => forms.map((form) => [form, code] as const)),
);

const BBL = /^[1-5](?!00000)\d{5}(?!0000)\d{4}$/;

/** Whether `text` is ten digits with a borough that exists and neither block nor lot zero. */
export const isBbl = (text: string): boolean => BBL.test(text);

/** The BBL of `row` under `rule`, or the first reason why it has none. Never throws. */
export function placeOf(row: Row, rule: BblRule): Placed {
  const published = rule.published && cell(row, rule.published);
  if (published && isBbl(published) && String(row[rule.published ?? '']) === published) return { bbl: published };
  if (rule.parts) return fromParts(row, rule.parts);
  return { reason: published ? 'bad_bbl' : 'no_bbl' };
}

function fromParts(row: Row, parts: BblParts): Placed {
  const plain = parts.form === 'plain';
  const boro = cell(row, parts.boro);
  if (!boro) return { reason: 'no_borough' };
  const code = BOROUGH_OF.get(boro);
  if (!code || (plain && code !== boro) || String(row[parts.boro]) !== boro) return { reason: 'unknown_borough' };
  const bin = cell(row, parts.bin);
  if (bin && /^[1-5]\d{6}$/.test(bin) && !bin.startsWith(code)) return { reason: 'contradicted_borough' };

  const block = cell(row, parts.block);
  if (!block) return { reason: 'no_block' };
  if (/^0+$/.test(block)) return { reason: 'zero_block' };
  if (!/^\d{1,5}$/.test(block) || !isAsAsked(row[parts.block], block, plain)) return { reason: 'bad_block' };

  const lot = cell(row, parts.lot);
  if (!lot) return { reason: 'no_lot' };
  if (/^0+$/.test(lot)) return { reason: 'zero_lot' };
  // A fifth digit is padding and nothing else: dropping another digit would name somebody else's lot.
  if (!/^0?\d{1,4}$/.test(lot) || !isAsAsked(row[parts.lot], lot, plain)) return { reason: 'bad_lot' };
  return { bbl: `${code}${block.padStart(5, '0')}${lot.slice(-4).padStart(4, '0')}` };
}

/** Whether the question of `whereIn` finds this writing: no blanks around it, and no zeros before a plain number. */
const isAsAsked = (raw: unknown, digits: string, plain: boolean): boolean =>
  String(raw) === digits && !(plain && digits.startsWith('0'));

/**
 * The SoQL condition that finds every row which `placeOf` attributes to one of `bbls`. It may find more (a condominium's
 * unit under its own block and lot): filter what comes back by `placeOf`.
 */
export function whereIn(bbls: readonly string[], rule: BblRule): string {
  const conditions: string[] = [];
  if (rule.published) conditions.push(oneOf(rule.published, bbls));
  if (rule.parts) for (const bbl of bbls) conditions.push(wherePartsAre(bbl, rule.parts));
  return conditions.join(' OR ');
}

function wherePartsAre(bbl: string, parts: BblParts): string {
  const boro = bbl.slice(0, 1);
  return `(${[
    oneOf(parts.boro, parts.form === 'plain' ? [boro] : (BOROUGH_FORMS[boro] ?? [])),
    oneOf(parts.block, digitForms(bbl.slice(1, 6), parts.form)),
    oneOf(parts.lot, digitForms(bbl.slice(6), parts.form)),
  ].join(' AND ')})`;
}

const oneOf = (column: string, values: readonly string[]): string =>
  values.length === 1 ? `${column}=${literal(values[0] ?? '')}` : `${column} in(${values.map(literal).join(',')})`;

/** `0043` as 43, 043, 0043 and 00043 where the city pads, up to five digits; else the number alone. */
function digitForms(digits: string, form: BblParts['form']): string[] {
  const bare = String(Number(digits));
  if (form === 'plain') return [bare];
  return Array.from({ length: 6 - bare.length }, (_, zeros) => '0'.repeat(zeros) + bare);
}
