/** Rows and readings that tests of polling share. */
import type { CityRow } from '@belfry/testkit';
import type { Change } from '../../changes/change.js';

/** The city's ids of the datasets. */
export const HPD = 'wvxf-dwi5';
export const ECB = '6bgk-3dad';
export const BIS = '3h2n-5cm9';
export const NOW = '855j-jady';

export const BBL = '1007200055';
export const OTHER = '3008540043';
export const hpdRow = (id: number, bbl = BBL, status = 'Open'): CityRow => ({
  violationid: String(id),
  bbl,
  boroid: bbl.slice(0, 1),
  block: String(Number(bbl.slice(1, 6))),
  lot: String(Number(bbl.slice(6))),
  bin: `${bbl.slice(0, 1)}000001`,
  class: 'B',
  inspectiondate: '2026-05-01T00:00:00.000',
  novdescription: 'text',
  violationstatus: status,
  apartment: '1',
});
export const numbersOf = (change: Change | undefined): string[] =>
  change && 'violations' in change ? change.violations.map(({ number }) => number).sort() : ['(no full report)'];
