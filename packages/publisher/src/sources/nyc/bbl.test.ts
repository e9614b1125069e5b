/** A row is placed where it belongs or nowhere, and every row that is placed is found again by its property's question. */
import { type CityRow, parseWhere } from '@belfry/testkit';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type BblRule, isBbl, placeOf, QUARANTINE_REASONS, whereIn } from './bbl.js';
import { DATASETS } from './datasets.js';

const padded: BblRule = { parts: { boro: 'boro', block: 'block', lot: 'lot', bin: 'bin', form: 'padded' } };
const both: BblRule = {
  published: 'bbl',
  parts: { boro: 'boroid', block: 'block', lot: 'lot', bin: 'bin', form: 'plain' },
};

const boroughs = fc.constantFrom('1', '2', '3', '4', '5');
const blocks = fc.integer({ min: 1, max: 99_999 });
const lots = fc.integer({ min: 1, max: 9_999 });
const anyText = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.constantFrom(
    '',
    ' ',
    '0',
    '00000',
    '0000',
    '00043',
    '10043',
    '1',
    '43',
    ' 43',
    'B',
    'Q',
    'QUEENS',
    'queens',
    '6',
    '-1',
    '1.0',
  ),
);
const columns = { has: () => true, isNumber: (column: string) => column === 'boroid' };
const found = (row: CityRow, bbl: string, rule: BblRule) => parseWhere(whereIn([bbl], rule), columns)(row) === true;

describe('a BBL', () => {
  it('is computed from borough, block and lot in every writing of the city', () => {
    fc.assert(
      fc.property(
        boroughs,
        blocks,
        lots,
        fc.integer({ min: 0, max: 5 }),
        fc.integer({ min: 0, max: 5 }),
        (boro, block, lot, p, q) => {
          const row = { boro, block: String(block).padStart(p, '0'), lot: String(lot).padStart(q, '0') };
          const bbl = `${boro}${String(block).padStart(5, '0')}${String(lot).padStart(4, '0')}`;
          expect(placeOf(row, padded)).toEqual({ bbl });
          expect(found(row, bbl, padded)).toBe(true);
        },
      ),
    );
  });

  it('is never invented: whatever a row holds, the outcome is a well-formed BBL that its question finds, or a reason', () => {
    const oftenRight = (...right: string[]) => fc.oneof(anyText, fc.constantFrom(...right), fc.constantFrom(...right));
    const boro = oftenRight('1', '4', 'Q', 'K', 'STATEN ISLAND', ' 1', 'Q ');
    const rows = fc.record(
      {
        bbl: oftenRight('1007200055', '2046477501', ' 1007200055', '0'),
        boro,
        boroid: boro,
        block: oftenRight('00720', '720', '09', '9 '),
        lot: oftenRight('0055', '00055', '55', '7501', ' 55'),
        bin: oftenRight('1000000', '4438381'),
      },
      { requiredKeys: [] },
    );
    let placed = 0;
    fc.assert(
      fc.property(rows, fc.constantFrom(padded, both, ...DATASETS.map((dataset) => dataset.bbl)), (row, rule) => {
        const place = placeOf(row, rule);
        if ('reason' in place) {
          expect(QUARANTINE_REASONS).toContain(place.reason);
          return;
        }
        placed += 1;
        expect(isBbl(place.bbl)).toBe(true);
        expect(found(row, place.bbl, rule)).toBe(true);
      }),
      { numRuns: 5_000 },
    );
    expect(placed).toBeGreaterThan(200);
  });

  it('is the published one where there is one, also for a condominium whose block and lot say otherwise', () => {
    const unit = { bbl: '2046477501', boroid: '2', block: '4647', lot: '79' };
    expect(placeOf(unit, both)).toEqual({ bbl: '2046477501' });
    expect(found(unit, '2046477501', both)).toBe(true);
  });

  it('is computed where none is published', () => {
    const row = { boroid: '5', block: '31', lot: '53' };
    expect(placeOf(row, both)).toEqual({ bbl: '5000310053' });
    expect(found(row, '5000310053', both)).toBe(true);
    expect(placeOf({ ...row, bbl: '0' }, both)).toEqual({ bbl: '5000310053' });
  });

  it.each([
    [{}, 'no_borough'],
    [{ boro: '2' }, 'no_block'],
    [{ boro: 'B', block: '00001', lot: '0001' }, 'unknown_borough'],
    [{ boro: '0', block: '00001', lot: '0001' }, 'unknown_borough'],
    [{ boro: 'MANHATTAN', bin: '4438381', block: '08401', lot: '0006' }, 'contradicted_borough'],
    [{ boro: '2', block: '00000', lot: '0001' }, 'zero_block'],
    [{ boro: '2', block: '123456', lot: '0001' }, 'bad_block'],
    [{ boro: '2', block: '12A', lot: '0001' }, 'bad_block'],
    [{ boro: '2', block: '00720' }, 'no_lot'],
    [{ boro: '2', block: '00720', lot: '0' }, 'zero_lot'],
    [{ boro: '2', block: '00720', lot: '10043' }, 'bad_lot'],
  ])('has a reason not to be: %o → %s', (row, reason) => {
    expect(placeOf(row, padded)).toEqual({ reason });
  });

  it('is not taken from a column that only looks like one', () => {
    expect(placeOf({ bbl: '9999999999' }, { published: 'bbl' })).toEqual({ reason: 'bad_bbl' });
    expect(placeOf({}, { published: 'bbl' })).toEqual({ reason: 'no_bbl' });
    for (const text of ['', '101265001', '10126500011', '1000000001', '1012650000', '0012650001', '1 12650001']) {
      expect(isBbl(text)).toBe(false);
    }
  });
});

describe('the question for properties', () => {
  it('finds both 0055 and 00055, and no other lot', () => {
    const row = (lot: string) => ({ boro: '1', block: '00720', lot });
    expect(['0055', '00055', '55'].map((lot) => found(row(lot), '1007200055', padded))).toEqual([true, true, true]);
    expect(['0056', '0550', '5'].map((lot) => found(row(lot), '1007200055', padded))).toEqual([false, false, false]);
  });

  it('can ask for many at once', () => {
    const rows = [
      { boro: '1', block: '00720', lot: '0055' },
      { boro: 'Q', block: '00009', lot: '00001' },
      { boro: '4', block: '00720', lot: '0055' },
    ];
    const condition = parseWhere(whereIn(['1007200055', '4000090001'], padded), columns);
    expect(rows.map((row) => condition(row))).toEqual([true, true, false]);
  });
});
