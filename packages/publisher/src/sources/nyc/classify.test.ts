/** Every row of the samples is understood, and the rules say of single rows what the city's own words mean. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { sampleFolder } from '@belfry/testkit';
import { describe, expect, it } from 'vitest';
import { parseChange } from '../../changes/change.js';
import { classify, type Dataset } from './dataset.js';
import { DATASETS } from './datasets.js';
import { dobBis } from './dob-bis.js';
import { dobNow } from './dob-now.js';
import { ecb } from './ecb.js';
import { hpd } from './hpd.js';
import type { Row } from './row.js';

const samples = sampleFolder();
const rowsOf = (dataset: Dataset): Row[] => {
  const file = samples && readdirSync(samples).find((name) => name.includes(dataset.id));
  return samples && file ? (JSON.parse(readFileSync(join(samples, file), 'utf8')) as Row[]) : [];
};

const placed = { boro: '1', boroid: '1', block: '00720', lot: '0055', bbl: '1007200055' };
const outcome = (dataset: Dataset, row: Row) => {
  const result = classify(dataset, { ...placed, ...row });
  return result.kind === 'open' ? `open ${result.violation.severity}` : result.kind;
};

describe.skipIf(samples === undefined)(
  'the sample rows (skipped where the folder is not there: set BELFRY_SAMPLES)',
  () => {
    it('are all classified; the table of classes', () => {
      const table = new Map<string, number>();
      for (const dataset of DATASETS) {
        for (const row of rowsOf(dataset)) {
          const result = classify(dataset, row);
          const what = describeOutcome(result);
          table.set(`${dataset.name} | ${what}`, (table.get(`${dataset.name} | ${what}`) ?? 0) + 1);
          if (result.kind !== 'open') continue;
          expect(result.unknown).toEqual([]);
          const change = {
            property_id: result.bbl,
            violation_type: dataset.violationType,
            violations: [result.violation],
          };
          expect(parseChange(change)).toHaveProperty('change');
        }
      }
      const lines = [...table].sort(([a], [b]) => a.localeCompare(b)).map(([name, rows]) => `${name} | ${rows}`);
      console.log(['source | outcome | severity | class | rows', ...lines].join('\n'));
      expect([...table.values()].reduce((sum, rows) => sum + rows, 0)).toBe(267);
    });

    it('that cannot be placed are the two without a block and the one whose building number is of another borough', () => {
      const reasons = DATASETS.flatMap((dataset) => rowsOf(dataset).map((row) => classify(dataset, row))).flatMap(
        (result) => (result.kind === 'quarantined' ? [result.reason] : []),
      );
      expect(reasons.sort()).toEqual(['contradicted_borough', 'no_block', 'no_block']);
    });
  },
);

function describeOutcome(result: ReturnType<typeof classify>): string {
  switch (result.kind) {
    case 'open':
      return `open | ${result.violation.severity} | ${result.violation.class}`;
    case 'closed':
      return 'closed | – | –';
    case 'quarantined':
      return `quarantined | ${result.reason} | –`;
  }
}

describe('severity', () => {
  const bis = (row: Row) => outcome(dobBis, { isn_dob_bis_viol: '1', ...row });
  const now = (row: Row) => outcome(dobNow, { violation_number: '1', violation_status: 'Active', ...row });
  const summons = (row: Row) => outcome(ecb, { ecb_violation_number: '1', ecb_violation_status: 'ACTIVE', ...row });
  const housing = (row: Row) => outcome(hpd, { violationid: '1', violationstatus: 'Open', ...row });

  it('of HPD: class C is immediately hazardous, class A is not', () => {
    expect(['A', 'B', 'C', 'I'].map((each) => housing({ class: each }))).toEqual([
      'open low',
      'open high',
      'open critical',
      'open info',
    ]);
  });

  it('of ECB: classes with and without blanks, and the words of before 2009', () => {
    expect(
      ['CLASS - 1', 'CLASS-2', 'CLASS - 3', 'Hazardous', 'Non-Hazardous', 'Unknown'].map((severity) =>
        summons({ severity }),
      ),
    ).toEqual(['open critical', 'open high', 'open low', 'open high', 'open low', 'open medium']);
  });

  it('of DOB: hazardous categories, work without permit, uncertified hazards, the rest', () => {
    expect(bis({ violation_category: 'VH-VIOLATION HAZARDOUS - ACTIVE' })).toBe('open critical');
    expect(bis({ violation_category: 'VWH-VIOLATION WORK W/OUT PMT HAZARDOUS - ACTIVE' })).toBe('open critical');
    expect(bis({ violation_category: 'VW-VIOLATION WORK WITHOUT PERMIT - ACTIVE' })).toBe('open high');
    expect(bis({ violation_category: 'VPW-VIOLATION UNSERVED ECB-WORK WITHOUT PERMIT-ACTIVE' })).toBe('open high');
    expect(bis({ violation_category: 'V-DOB VIOLATION - ACTIVE', violation_type_code: 'AEUHAZ1' })).toBe('open high');
    expect(bis({ violation_category: 'V%-DOB VIOLATION', violation_type_code: 'E' })).toBe('open medium');
    expect(bis({ violation_category: 'V*-DOB VIOLATION - Resolved' })).toBe('closed');
    expect(now({ violation_type: 'FTC-AEU-HAZ' })).toBe('open high');
    expect(now({ violation_type: 'FTF-EN-BENCH' })).toBe('open low');
    expect(now({ violation_type: 'LBLVIO' })).toBe('open medium');
  });

  it('is critical for vacate and stop-work orders in force, not for those taken back, nor for streets that hold the letters', () => {
    const text = (description: string) => bis({ violation_category: 'V-DOB VIOLATION - ACTIVE', description });
    expect(text('FULL VACATE ORDER ISSUED')).toBe('open critical');
    expect(text('STOP  WORK ORDER')).toBe('open critical');
    expect(text('SWO PARTIALLY RESCINDED')).toBe('open critical');
    expect(text('SWO FULLY RESCINDED')).toBe('open medium');
    expect(text('WORK AT 1 WADSWORTH AVENUE')).toBe('open medium');
    expect(text('STOP ALL PLUMBING WORK')).toBe('open medium');
    expect(summons({ severity: 'Unknown', violation_description: 'REM:VACATE#85502' })).toBe('open critical');
  });

  it('of a value nobody has seen is medium and marked; of an unknown status the violation stays open and is marked', () => {
    const value = classify(hpd, { ...placed, violationid: '1', violationstatus: 'Open', class: 'Z' });
    expect(value).toMatchObject({ kind: 'open', violation: { severity: 'medium' }, unknown: ['severity'] });
    const status = classify(hpd, { ...placed, violationid: '1', violationstatus: 'Perhaps', class: 'A' });
    expect(status).toMatchObject({ kind: 'open', violation: { severity: 'low' }, unknown: ['status'] });
    expect(classify(dobNow, { ...placed, violation_number: '1', violation_type: 'X' })).toMatchObject({
      unknown: ['status'],
    });
  });
});

describe('what a violation says', () => {
  it('keeps its number when BIS marks it closed, and shares it with DOB NOW', () => {
    const number = (text: string) =>
      classify(dobBis, {
        ...placed,
        isn_dob_bis_viol: '1',
        number: text,
        violation_category: 'V-DOB VIOLATION - ACTIVE',
      });
    for (const text of [
      'V062624AEUHAZ100065',
      'V*062624AEUHAZ100065',
      'VWH062624AEUHAZ100065',
      'VP*062624AEUHAZ100065',
    ]) {
      expect(number(text)).toMatchObject({ violation: { number: '062624AEUHAZ100065' } });
    }
  });

  it('is text without control characters and padding, of bounded length', () => {
    const row = {
      ...placed,
      isn_dob_bis_viol: '1',
      number: 'V1',
      violation_category: 'V-DOB VIOLATION - ACTIVE',
      issue_date: '20180126',
      violation_type: 'E-ELEVATOR                                   ELEVATORREQUIRED',
      description: `line\u0000one\r\n\u009fline two${' x'.repeat(500)}😀`,
    };
    const result = classify(dobBis, row);
    if (result.kind !== 'open') throw new Error('must be open');
    expect(result.violation.date).toBe('2018-01-26');
    expect(result.violation.description).toMatch(/^E-ELEVATOR: line one line two x x .*…$/);
    expect(result.violation.description?.length).toBeLessThanOrEqual(500);
    expect(
      parseChange({ property_id: result.bbl, violation_type: 'DOB', violations: [result.violation] }),
    ).toHaveProperty('change');
  });

  it('leaves out a date that is no day', () => {
    const dated = (issue_date: string) =>
      classify(ecb, { ...placed, ecb_violation_number: '1', severity: 'Unknown', issue_date });
    for (const text of ['00000000', '20190230', '2019', '2019-01-01']) {
      expect(dated(text)).not.toHaveProperty('violation.date');
    }
  });

  it('never comes from a column that can name a person: none is asked for', () => {
    const personal = /respondent|owner|name|phone|mailing|address/;
    expect(DATASETS.flatMap((dataset) => dataset.columns.filter((column) => personal.test(column)))).toEqual([]);
  });
});
