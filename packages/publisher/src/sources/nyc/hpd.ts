/** Housing maintenance violations (HPD). The city's largest set: eleven million rows, up to 80,000 changed in a day. */
import type { Dataset } from './dataset.js';
import { cell } from './row.js';
import { hpdSeverity, withOrders } from './severity.js';

export const hpd: Dataset = {
  name: 'hpd',
  id: 'wvxf-dwi5',
  violationType: 'HPD',
  precedence: 0,
  key: 'violationid',
  columns: [
    'violationid',
    'bbl',
    'boroid',
    'block',
    'lot',
    'bin',
    'class',
    'inspectiondate',
    'novdescription',
    'violationstatus',
    'apartment',
  ],
  required: ['violationid', 'class', 'violationstatus', 'bbl'],
  date: { column: 'inspectiondate', format: 'iso' },
  bbl: { published: 'bbl', parts: { boro: 'boroid', block: 'block', lot: 'lot', bin: 'bin', form: 'plain' } },
  // "Close" is how the city writes it.
  notClosed: "(violationstatus IS NULL OR violationstatus != 'Close')",
  status: (row) => {
    const status = cell(row, 'violationstatus');
    if (status === 'Open') return 'open';
    return status === 'Close' ? 'closed' : 'unknown';
  },
  number: (row) => cell(row, 'violationid'),
  class: (row) => cell(row, 'class'),
  severity: (row) => withOrders(hpdSeverity(cell(row, 'class')), cell(row, 'novdescription')),
  text: (row) => {
    const apartment = cell(row, 'apartment');
    return [apartment && `Apartment ${apartment}`, cell(row, 'novdescription')].filter(Boolean).join(': ');
  },
};
