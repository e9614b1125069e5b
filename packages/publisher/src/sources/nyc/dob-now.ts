/**
 * DOB violations of the newer system, DOB NOW (the city's "DOB Safety Violations"). Where BIS has the same number this
 * dataset is right, also when it says "closed": so all of a property's rows are read, not the open ones only.
 */
import type { Dataset, RowStatus } from './dataset.js';
import { cell } from './row.js';
import { dobNowSeverity, withOrders } from './severity.js';

/** The city's words, lower-case and with single blanks ("Paid  - Pending Dismissal" has two). */
const STATUS: ReadonlyMap<string, RowStatus> = new Map([
  ['active', 'open'],
  ['dismissed', 'closed'],
  ['disputed successfully', 'closed'],
  ['waived - pending dismissal', 'closed'],
  ['pending dismissal', 'closed'],
  ['paid - pending dismissal', 'closed'],
  ['cured', 'closed'],
]);

export const dobNow: Dataset = {
  name: 'dob-now',
  id: '855j-jady',
  violationType: 'DOB',
  precedence: 1,
  key: 'violation_number',
  columns: [
    'violation_number',
    'bbl',
    'violation_issue_date',
    'violation_type',
    'violation_remarks',
    'violation_status',
  ],
  required: ['violation_number', 'violation_status', 'bbl'],
  date: { column: 'violation_issue_date', format: 'iso' },
  // Its borough column contradicts the building number in published rows: a BBL made of it would be invented.
  bbl: { published: 'bbl' },
  notClosed: undefined,
  status: (row) => STATUS.get(cell(row, 'violation_status')?.toLowerCase().replace(/\s+/g, ' ') ?? '') ?? 'unknown',
  number: (row) => cell(row, 'violation_number'),
  class: (row) => cell(row, 'violation_type'),
  severity: (row) => withOrders(dobNowSeverity(cell(row, 'violation_type')), cell(row, 'violation_remarks')),
  text: (row) => cell(row, 'violation_remarks') ?? cell(row, 'violation_type'),
};
