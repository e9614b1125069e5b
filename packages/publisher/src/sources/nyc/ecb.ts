/**
 * Summonses that the Department of Buildings issued and OATH (formerly ECB) adjudicates. They name respondents: those
 * columns are not asked for. Open is what DOB says of the condition, not whether a fine is still due.
 */
import type { Dataset } from './dataset.js';
import { cell } from './row.js';
import { ecbSeverity, withOrders } from './severity.js';

export const ecb: Dataset = {
  name: 'ecb',
  id: '6bgk-3dad',
  violationType: 'ECB',
  precedence: 0,
  key: 'ecb_violation_number',
  columns: [
    'ecb_violation_number',
    'ecb_violation_status',
    'boro',
    'block',
    'lot',
    'bin',
    'issue_date',
    'severity',
    'violation_type',
    'violation_description',
    'section_law_description1',
  ],
  required: ['ecb_violation_number', 'ecb_violation_status', 'boro', 'severity'],
  date: { column: 'issue_date', format: 'compact' },
  bbl: { parts: { boro: 'boro', block: 'block', lot: 'lot', bin: 'bin', form: 'padded' } },
  // RESOLVE is how the city writes it.
  notClosed: "(ecb_violation_status IS NULL OR ecb_violation_status != 'RESOLVE')",
  status: (row) => {
    const status = cell(row, 'ecb_violation_status');
    if (status === 'ACTIVE') return 'open';
    return status === 'RESOLVE' ? 'closed' : 'unknown';
  },
  number: (row) => cell(row, 'ecb_violation_number'),
  class: (row) => cell(row, 'severity'),
  severity: (row) => withOrders(ecbSeverity(cell(row, 'severity')), cell(row, 'violation_description')),
  text: (row) =>
    [cell(row, 'violation_type'), cell(row, 'violation_description') ?? cell(row, 'section_law_description1')]
      .filter(Boolean)
      .join(': '),
};
