/**
 * DOB violations of the older system, BIS. It has no `bbl`, writes lots with four or five digits, pads its texts, and
 * says "closed" with an asterisk in the category. Part of it is repeated in DOB NOW under the same number.
 */
import type { Dataset } from './dataset.js';
import { cell, type Row } from './row.js';
import { dobBisSeverity, withOrders } from './severity.js';

/** `V*012618ACC106842` is DOB NOW's `012618ACC106842`: the letters change when a violation is closed, the rest stays. */
const CATEGORY_PREFIX = /^V[A-Z]{0,2}\*?(?=\d{6})/;

/** `E-ELEVATOR          ELEVATORREQUIRED`: what stands behind the padding is of another field. */
const typeText = (row: Row): string | undefined => cell(row, 'violation_type')?.split(/\s{3,}/)[0];

export const dobBis: Dataset = {
  name: 'dob-bis',
  id: '3h2n-5cm9',
  violationType: 'DOB',
  precedence: 0,
  key: 'isn_dob_bis_viol',
  columns: [
    'isn_dob_bis_viol',
    'number',
    'violation_number',
    'boro',
    'block',
    'lot',
    'bin',
    'issue_date',
    'violation_type_code',
    'violation_type',
    'violation_category',
    'description',
    'disposition_comments',
  ],
  required: ['isn_dob_bis_viol', 'boro', 'violation_category', 'number'],
  date: { column: 'issue_date', format: 'compact' },
  bbl: { parts: { boro: 'boro', block: 'block', lot: 'lot', bin: 'bin', form: 'padded' } },
  notClosed: "(violation_category IS NULL OR violation_category NOT LIKE '%*%')",
  status: (row) => {
    const category = cell(row, 'violation_category');
    if (!category) return 'unknown';
    return category.includes('*') ? 'closed' : 'open';
  },
  number: (row) => cell(row, 'number')?.replace(CATEGORY_PREFIX, '') ?? cell(row, 'violation_number'),
  class: (row) => cell(row, 'violation_type_code'),
  severity: (row) =>
    withOrders(
      dobBisSeverity(cell(row, 'violation_category'), cell(row, 'violation_type_code')),
      cell(row, 'description'),
      cell(row, 'disposition_comments'),
    ),
  text: (row) => [typeText(row), cell(row, 'description')].filter(Boolean).join(': '),
};
