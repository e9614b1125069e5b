/** Random edits of the simulated city, of which the model is told. */
import type { CityRow } from '@belfry/testkit';
import { BIS, ECB, HPD, hpdRow, NOW } from './city-rows.test-support.js';
import type { Model, Simulation } from './simulation.test-support.js';

/** Makes one random edit in the city and tells the model. */
export function createEditor(
  simulation: Simulation,
  model: Model,
  properties: readonly string[],
  below: (limit: number) => number,
  pick: <T>(items: readonly T[]) => T,
): () => void {
  interface Made {
    readonly dataset: string;
    readonly name: string;
    readonly number: string;
    readonly bbl: string;
    readonly column: string;
    readonly key: string;
    open: boolean;
  }
  const made: Made[] = [];
  let count = 0;
  const { city } = simulation;
  const opened: Record<string, Record<string, string>> = {
    hpd: { violationstatus: 'Open' },
    ecb: { ecb_violation_status: 'ACTIVE' },
    'dob-bis': { violation_category: 'V-DOB VIOLATION - ACTIVE' },
    'dob-now': { violation_status: 'Active' },
  };
  const closed: Record<string, Record<string, string>> = {
    hpd: { violationstatus: 'Close' },
    ecb: { ecb_violation_status: 'RESOLVE' },
    'dob-bis': { violation_category: 'V*-DOB VIOLATION - Resolved' },
    'dob-now': { violation_status: 'Dismissed' },
  };
  /** The lot as the city writes it: with four or five digits, the borough sometimes as a letter. */
  const parts = (bbl: string): Record<string, string> => ({
    boro: below(4) === 0 ? ('MXKQR'[Number(bbl.slice(0, 1)) - 1] ?? '') : bbl.slice(0, 1),
    block: bbl.slice(1, 6),
    lot: below(2) === 0 ? bbl.slice(6) : `0${bbl.slice(6)}`,
    bin: `${bbl.slice(0, 1)}000000`,
  });

  function create(): void {
    count += 1;
    const bbl = pick(properties);
    const name = pick(['hpd', 'hpd', 'ecb', 'dob-bis', 'dob-now']);
    const shared =
      name === 'dob-now' && below(2) === 0
        ? made.find((each) => each.name === 'dob-bis' && each.bbl === bbl)
        : undefined;
    const taken = shared && made.some((each) => each.name === 'dob-now' && each.number === shared.number);
    const serial = String(count).padStart(5, '0');
    const number =
      shared && !taken ? shared.number : ({ hpd: String(count), ecb: `3${serial}P` }[name] ?? `010126E${serial}`);
    const rows: Record<string, [string, string, CityRow]> = {
      hpd: [HPD, 'violationid', { ...hpdRow(count, bbl), ...(below(3) === 0 ? { block: '99', lot: '99' } : {}) }],
      ecb: [
        ECB,
        'ecb_violation_number',
        {
          ecb_violation_number: number,
          ...parts(bbl),
          issue_date: '20260101',
          severity: 'CLASS - 1',
          violation_type: 'x',
          violation_description: 'x',
          section_law_description1: 'x',
        },
      ],
      'dob-bis': [
        BIS,
        'isn_dob_bis_viol',
        {
          isn_dob_bis_viol: String(count),
          number: `V${number}`,
          violation_number: number.slice(6),
          ...parts(bbl),
          issue_date: '20260101',
          violation_type_code: 'E',
          violation_type: 'E-E',
          description: 'x',
          disposition_comments: 'x',
        },
      ],
      'dob-now': [
        NOW,
        'violation_number',
        {
          violation_number: number,
          bbl,
          violation_issue_date: '2026-01-01T00:00:00.000',
          violation_type: 'E',
          violation_remarks: 'x',
        },
      ],
    };
    const [dataset, column, row] = rows[name] as [string, string, CityRow];
    city.insert(dataset, { ...row, ...opened[name] });
    made.push({ dataset, name, number, bbl, column, key: row[column] ?? '', open: true });
    model.set(name, bbl, number, 'open');
  }

  return () => {
    const kind = below(10);
    if (kind < 5 || made.length === 0) return create();
    const at = below(made.length);
    const one = made[at] as Made;
    const matches = (row: CityRow): boolean => row[one.column] === one.key;
    if (kind < 8) {
      one.open = !one.open;
      city.update(one.dataset, matches, (one.open ? opened : closed)[one.name] ?? {});
      model.set(one.name, one.bbl, one.number, one.open ? 'open' : 'closed');
    } else if (kind === 8) {
      city.remove(one.dataset, matches);
      made.splice(at, 1);
      model.set(one.name, one.bbl, one.number, undefined);
    } else {
      // Rows that belong to nobody, and rows that change without a change.
      city.insert(ECB, {
        ecb_violation_number: `0${count}N${at}`,
        boro: '1',
        bin: '1000000',
        issue_date: '20260101',
        severity: 'Unknown',
        ecb_violation_status: 'ACTIVE',
      });
      city.update(one.dataset, matches, {});
    }
  };
}

/** 0 to 1, the same for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed * 7_919;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
