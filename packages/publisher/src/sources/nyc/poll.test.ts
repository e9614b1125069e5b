/**
 * Polling reports what the city has, through every failure that the city is known for: compared with an independent model
 * over hundreds of edits, and point by point.
 */
import { type CityFault, type CityRow, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Change } from '../../changes/change.js';
import { createModel, HOUR, MINUTE, type Model, type Simulation, startSimulation } from './simulation.test-support.js';

const HPD = 'wvxf-dwi5';
const ECB = '6bgk-3dad';
const BIS = '3h2n-5cm9';
const NOW = '855j-jady';

let redis: TestRedis;
let sim: Simulation;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
afterEach(() => sim.close());

const BBL = '1007200055';
const OTHER = '3008540043';
const hpdRow = (id: number, bbl = BBL, status = 'Open'): CityRow => ({
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
const numbersOf = (change: Change | undefined): string[] =>
  change && 'violations' in change ? change.violations.map(({ number }) => number).sort() : ['(no full report)'];
const lastOf = (bbl: string): Change | undefined => sim.changes.findLast((change) => change.property_id === bbl);

describe('a source', () => {
  let faultOf: () => CityFault | undefined;
  beforeEach(async () => {
    faultOf = () => undefined;
    sim = await startSimulation({ redis, datasets: ['hpd'], fault: () => faultOf() });
    sim.watched.add(BBL);
    for (let id = 1; id <= 10; id += 1) sim.city.insert(HPD, hpdRow(id));
    sim.city.insert(HPD, hpdRow(11, OTHER));
    sim.pass(HOUR);
    expect(await sim.pollAll()).toEqual([]);
  });
  const close = (...ids: number[]) =>
    sim.city.update(HPD, (row) => ids.includes(Number(row.violationid)), { violationstatus: 'Close' });

  it('reports a property first as a baseline, and only properties that are watched', () => {
    expect(sim.changes).toHaveLength(1);
    expect(sim.changes[0]).toMatchObject({ property_id: BBL, violation_type: 'HPD', baseline: true });
    expect(numbersOf(sim.changes[0])).toHaveLength(10);
  });

  it('says nothing while nothing changes', async () => {
    sim.pass(5 * MINUTE);
    await sim.pollAll();
    sim.pass(30 * MINUTE);
    await sim.pollAll();
    expect(sim.changes).toHaveLength(1);
  });

  it('reports what opened and closed, not as a baseline', async () => {
    sim.city.insert(HPD, hpdRow(12));
    close(1);
    await sim.pollAll();
    expect(sim.changes).toHaveLength(2);
    expect(sim.changes[1]).not.toHaveProperty('baseline');
    expect(numbersOf(sim.changes[1])).toEqual(['10', '12', '2', '3', '4', '5', '6', '7', '8', '9']);
  });

  it('reads a newly watched property at once when asked to, and with the next poll otherwise', async () => {
    sim.watched.add(OTHER);
    await sim.poller.load('HPD');
    expect(lastOf(OTHER)).toMatchObject({ baseline: true });
    expect(numbersOf(lastOf(OTHER))).toEqual(['11']);
    sim.watched.add('4000010001');
    await sim.pollAll();
    expect(lastOf('4000010001')).toMatchObject({ baseline: true, violations: [] });
  });

  it.each<[string, CityFault]>([
    ['429', { kind: 'throttled' }],
    ['202', { kind: 'preparing' }],
    ['5xx', { kind: 'server' }],
    ['a stale replica', { kind: 'stale', says: true }],
    ['truncated JSON', { kind: 'truncated' }],
    ['a cut connection', { kind: 'cut' }],
    ['a missing column', { kind: 'missing-column', column: 'violationstatus' }],
  ])('changes nothing for %s, and catches up when the city is back', async (_name, fault) => {
    sim.city.snapshot(HPD);
    close(1, 2);
    sim.city.failNext(fault, 3, HPD);
    expect(await sim.pollAll()).toHaveLength(1);
    expect(sim.changes).toHaveLength(1);
    const [state] = await sim.states.list();
    expect(state).toMatchObject({ state: fault.kind === 'stale' ? 'stale' : 'failing' });
    expect(state?.data_as_of).toBeDefined();
    while ((await sim.pollAll()).length > 0);
    expect(numbersOf(lastOf(BBL))).toHaveLength(8);
    expect((await sim.states.list())[0]).toMatchObject({ state: 'ok' });
  });

  it('finds a change of polls that failed also when the next one comes much later', async () => {
    close(1);
    // The changed rows come; the property's own rows do not. Twice: the second poll begins where the first one did.
    for (let failed = 0; failed < 2; failed += 1) {
      let asked = 0;
      faultOf = () => {
        asked += 1;
        return asked > 1 ? { kind: 'server' } : undefined;
      };
      expect(await sim.pollAll()).toHaveLength(1);
      sim.pass(3 * HOUR);
    }
    faultOf = () => undefined;
    expect(await sim.pollAll()).toEqual([]);
    expect(numbersOf(lastOf(BBL))).toHaveLength(9);
  });

  it('believes the newer of two readings when a replica lags without saying so', async () => {
    sim.city.snapshot(HPD);
    close(1);
    sim.city.insert(HPD, hpdRow(12));
    let asked = 0;
    faultOf = () => {
      asked += 1;
      return asked > 1 ? { kind: 'stale', says: false } : undefined;
    };
    await sim.pollAll();
    expect(numbersOf(lastOf(BBL))).toEqual(['10', '12', '2', '3', '4', '5', '6', '7', '8', '9']);
  });

  it("fails half-way through a property's pages without reporting a part of it", async () => {
    sim.city.insert(HPD, hpdRow(12));
    let asked = 0;
    await sim.close();
    sim = await startSimulation({
      redis,
      datasets: ['hpd'],
      pageRows: 3,
      fault: () => {
        asked += 1;
        return asked >= 4 && asked < 10 ? { kind: 'server' } : undefined;
      },
    });
    sim.watched.add(BBL);
    for (let id = 1; id <= 10; id += 1) sim.city.insert(HPD, hpdRow(id));
    expect(await sim.pollAll()).toHaveLength(1);
    expect(sim.changes).toEqual([]);
    while ((await sim.pollAll()).length > 0);
    expect(numbersOf(sim.changes[0])).toHaveLength(10);
  });

  it('reads again what intake did not take', async () => {
    sim.city.insert(HPD, hpdRow(12));
    sim.refuseSubmissions(1);
    expect(await sim.pollAll()).toHaveLength(1);
    expect(sim.changes).toHaveLength(1);
    expect(await sim.pollAll()).toEqual([]);
    expect(numbersOf(lastOf(BBL))).toHaveLength(11);
  });

  it('believes that a property went from many to none only when a later reading says so too', async () => {
    close(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
    await sim.pollAll();
    expect(sim.changes).toHaveLength(1);
    sim.pass(5 * MINUTE);
    await sim.pollAll();
    expect(sim.changes).toHaveLength(2);
    expect(numbersOf(lastOf(BBL))).toEqual([]);
  });

  it('does not report a property as empty because the city once answered with nothing', async () => {
    sim.pass(25 * HOUR);
    // The reading in full that is due after a day; the first question is for changed rows.
    sim.city.failNext({ kind: 'empty' }, 2, HPD);
    await sim.pollAll();
    sim.pass(5 * MINUTE);
    await sim.pollAll();
    for (const change of sim.changes) expect(numbersOf(change)).toHaveLength(10);
  });

  it('holds back a drop of more than a fifth of the source until it is confirmed', async () => {
    for (let id = 100; id < 200; id += 1) {
      const bbl = `200001${String(1 + (id % 25)).padStart(4, '0')}`;
      sim.watched.add(bbl);
      sim.city.insert(HPD, hpdRow(id, bbl));
    }
    await sim.pollAll();
    const reported = sim.changes.length;
    sim.pass(HOUR);
    // Every property keeps some, so only the whole is suspicious.
    close(...Array.from({ length: 50 }, (_, index) => 100 + index));
    await sim.pollAll();
    expect(sim.changes).toHaveLength(reported);
    sim.pass(5 * MINUTE);
    await sim.pollAll();
    expect(sim.changes).toHaveLength(reported + 25);
  });

  it('makes no event of a dataset that the city replaced, and none of one that it renumbered', async () => {
    sim.pass(HOUR);
    sim.city.replace(HPD);
    await sim.pollAll();
    expect(numbersOf(lastOf(BBL))).toEqual(numbersOf(sim.changes[0]));
    // Once more for rows that come late, and then no more.
    sim.pass(HOUR);
    await sim.pollAll();
    const asked = sim.city.requests.length;
    sim.pass(HOUR);
    await sim.pollAll();
    expect(sim.city.requests.length - asked).toBe(1);

    sim.city.remove(HPD, () => true);
    for (let id = 901; id <= 910; id += 1) sim.city.insert(HPD, hpdRow(id));
    await sim.pollAll();
    expect(lastOf(BBL)).toMatchObject({ baseline: true });
    expect(numbersOf(lastOf(BBL))[0]).toBe('901');
  });

  it('still tells what really changed while the city replaced the dataset', async () => {
    sim.pass(HOUR);
    close(3);
    sim.city.insert(HPD, hpdRow(12));
    sim.city.replace(HPD);
    await sim.pollAll();
    expect(lastOf(BBL)).not.toHaveProperty('baseline');
    expect(numbersOf(lastOf(BBL))).toEqual(['1', '10', '12', '2', '4', '5', '6', '7', '8', '9']);
  });

  it('finds within a day what was deleted without a word', async () => {
    sim.city.remove(HPD, (row) => row.violationid === '5');
    sim.pass(5 * MINUTE);
    await sim.pollAll();
    expect(sim.changes).toHaveLength(1);
    sim.pass(24 * HOUR);
    await sim.pollAll();
    expect(numbersOf(lastOf(BBL))).toHaveLength(9);
  });

  it('finds rows that come late, with a stamp before the cursor', async () => {
    sim.city.insert(HPD, hpdRow(13, OTHER));
    await sim.pollAll();
    sim.pass(-3 * MINUTE);
    sim.city.insert(HPD, hpdRow(12));
    sim.pass(8 * MINUTE);
    await sim.pollAll();
    expect(numbersOf(lastOf(BBL))).toHaveLength(11);
  });

  it('does without system fields where the city refuses them', async () => {
    await sim.close();
    sim = await startSimulation({ redis, datasets: ['hpd'], fault: () => ({ kind: 'no-system-fields' }) });
    sim.watched.add(BBL);
    for (let id = 1; id <= 3; id += 1) sim.city.insert(HPD, hpdRow(id));
    expect(await sim.pollAll()).toEqual([]);
    expect(numbersOf(lastOf(BBL))).toHaveLength(3);
    sim.pass(5 * MINUTE);
    sim.city.insert(HPD, hpdRow(4));
    expect(await sim.pollAll()).toEqual([]);
    expect(numbersOf(lastOf(BBL))).toHaveLength(4);
    sim.city.update(HPD, (row) => row.violationid === '4', { violationstatus: 'Close' });
    sim.pass(2 * HOUR);
    expect(await sim.pollAll()).toEqual([]);
    expect(numbersOf(lastOf(BBL))).toHaveLength(3);
  });

  it('forgets a property that nobody watches, and begins with a baseline when somebody does again', async () => {
    sim.watched.clear();
    await sim.pollAll();
    expect((await sim.ledger.properties({ name: 'hpd', violationType: 'HPD' } as never)).size).toBe(0);
    close(1);
    sim.watched.add(BBL);
    await sim.pollAll();
    expect(lastOf(BBL)).toMatchObject({ baseline: true });
    expect(numbersOf(lastOf(BBL))).toHaveLength(9);
  });

  it('counts rows that cannot be placed once, however often they are read', async () => {
    const { bbl: _bbl, block: _block, ...unplaced } = hpdRow(77);
    sim.city.insert(HPD, unplaced);
    await sim.pollAll();
    sim.pass(MINUTE);
    await sim.pollAll();
    expect(await sim.registry.metrics()).toContain(
      'belfry_source_quarantined_rows_total{source="hpd",reason="no_block"} 1',
    );
  });

  it('gives up a burst of changes that costs more to follow than to read anew', async () => {
    sim.pass(HOUR);
    for (let id = 1_000; id < 1_400; id += 1) sim.city.insert(HPD, hpdRow(id, OTHER));
    close(1);
    const asked = sim.city.requests.length;
    await sim.pollAll();
    expect(sim.city.requests.length - asked).toBeLessThan(60);
    expect(numbersOf(lastOf(BBL))).toHaveLength(9);
  });

  it('is polled by one at a time', async () => {
    const outcomes = await Promise.all([sim.poller.poll('HPD'), sim.poller.poll('HPD')]);
    expect(outcomes.sort()).toEqual(['busy', 'done']);
  });

  it('keeps nothing in Redis but what a report holds', async () => {
    sim.city.insert(HPD, { ...hpdRow(12), respondent_name: 'must-not-be-kept', novdescription: 'text' });
    await sim.pollAll();
    const connection = redis.connect();
    for (const key of await connection.keys('*')) {
      const dump = await connection.dumpBuffer(key);
      expect(dump?.includes('must-not-be-kept')).toBe(false);
    }
    connection.disconnect();
    expect(JSON.stringify(sim.changes)).not.toContain('must-not-be-kept');
  });
});

describe('BIS and DOB NOW', () => {
  const bisRow = (isn: string, number: string): CityRow => ({
    isn_dob_bis_viol: isn,
    number: `V${number}`,
    violation_number: number.slice(6),
    boro: '1',
    block: '00720',
    lot: '00055',
    bin: '1000001',
    issue_date: '20260101',
    violation_type_code: 'E',
    violation_type: 'E-ELEVATOR',
    violation_category: 'V-DOB VIOLATION - ACTIVE',
    description: 'text',
    disposition_comments: '',
  });
  const nowRow = (number: string, status = 'Active'): CityRow => ({
    violation_number: number,
    bbl: BBL,
    violation_issue_date: '2026-01-01T00:00:00.000',
    violation_type: 'LBLVIO',
    violation_remarks: 'text',
    violation_status: status,
  });
  beforeEach(async () => {
    sim = await startSimulation({ redis, datasets: ['dob-bis', 'dob-now'] });
    sim.watched.add(BBL);
    sim.city.insert(BIS, bisRow('1', '010126E00001'));
    sim.city.insert(BIS, bisRow('2', '010126E00002'));
    sim.city.insert(NOW, nowRow('010126E00002'));
    sim.city.insert(NOW, nowRow('010126E00003'));
    sim.pass(HOUR);
  });

  it('make one report in which what both have is counted once', async () => {
    await sim.pollAll();
    expect(sim.changes).toHaveLength(1);
    expect(sim.changes[0]).toMatchObject({ violation_type: 'DOB', baseline: true });
    expect(numbersOf(sim.changes[0])).toEqual(['010126E00001', '010126E00002', '010126E00003']);
  });

  it('are decided by DOB NOW where they disagree', async () => {
    sim.city.update(NOW, (row) => row.violation_number === '010126E00002', { violation_status: 'Dismissed' });
    await sim.pollAll();
    expect(numbersOf(sim.changes[0])).toEqual(['010126E00001', '010126E00003']);
  });

  it('are not reported before both were read, and each goes on while the other fails', async () => {
    sim.city.failNext({ kind: 'server' }, 3, NOW);
    expect(await sim.pollAll()).toHaveLength(1);
    expect(sim.changes).toEqual([]);
    await sim.pollAll();
    expect(sim.changes).toHaveLength(1);
    sim.city.insert(BIS, bisRow('4', '010126E00004'));
    sim.city.failNext({ kind: 'server' }, 3, NOW);
    expect(await sim.pollAll()).toHaveLength(1);
    expect(numbersOf(lastOf(BBL))).toEqual(['010126E00001', '010126E00002', '010126E00003', '010126E00004']);
  });

  it('count two violations under one number as two, and one when either is closed', async () => {
    sim.city.insert(BIS, bisRow('5', '010126E00001'));
    await sim.pollAll();
    expect(numbersOf(lastOf(BBL))).toHaveLength(4);
    sim.city.update(BIS, (row) => row.isn_dob_bis_viol === '1', {
      number: 'V*010126E00001',
      violation_category: 'V*-DOB VIOLATION - Resolved',
    });
    await sim.pollAll();
    expect(numbersOf(lastOf(BBL))).toEqual(['010126E00001', '010126E00002', '010126E00003']);
  });
});

describe('over days of edits and failures', () => {
  /** Counted here, so that a run in which nothing went wrong is no success. */
  interface Run {
    edits: number;
    polls: number;
    failed: number;
    faults: Map<string, number>;
  }

  it.each([1, 2])(
    'every report is a state the city had, and the last ones are what it has (seed %i)',
    { timeout: 120_000 },
    async (seed) => {
      const run = await simulate(seed, { edits: 500, duringPolls: false });
      console.log(
        `seed ${seed}: ${run.edits} edits, ${run.polls} polls, ${run.failed} failed, ${sim.changes.length} reports; faults ${JSON.stringify(Object.fromEntries(run.faults))}`,
      );
      expect(run.faults.size).toBeGreaterThanOrEqual(7);
      expect(run.failed).toBeGreaterThan(20);
    },
  );

  it('also when rows change while they are read, the last reports are what the city has', {
    timeout: 120_000,
  }, async () => {
    const run = await simulate(3, { edits: 500, duringPolls: true });
    expect(run.edits).toBeGreaterThanOrEqual(500);
  });

  it('(negative twin) the model finds a report of a state that never was', () => {
    const model = createModel();
    model.set('hpd', BBL, '1', 'open');
    model.set('hpd', BBL, '2', 'open');
    model.set('hpd', BBL, '1', 'closed');
    const report = (...numbers: string[]): Change => ({
      property_id: BBL,
      violation_type: 'HPD',
      violations: numbers.map((number) => ({ number })),
    });
    expect(model.judge(report('1'))).toBeUndefined();
    expect(model.judge(report('2', '3'))).toContain('never had');
    expect(model.judge(report('2'))).toBeUndefined();
    expect(model.judge(report('1'))).toContain('no longer has');
    expect(model.judge(report())).toContain('no longer has');
  });

  async function simulate(seed: number, options: { edits: number; duringPolls: boolean }): Promise<Run> {
    const random = mulberry(seed);
    const below = (limit: number): number => Math.floor(random() * limit);
    const pick = <T>(items: readonly T[]): T => items[below(items.length)] as T;
    const run: Run = { edits: 0, polls: 0, failed: 0, faults: new Map() };
    let faultShare = 0;
    const faults: CityFault[] = [
      { kind: 'throttled', retryAfter: '30' },
      { kind: 'preparing' },
      { kind: 'server' },
      { kind: 'stale', says: true },
      { kind: 'truncated' },
      { kind: 'cut' },
      { kind: 'missing-column', column: 'bbl' },
      { kind: 'missing-column', column: 'boro' },
    ];
    sim = await startSimulation({
      redis,
      pageRows: 5,
      fault: (request) => {
        if (options.duringPolls && run.edits < options.edits && random() < 0.1) edit();
        if (random() >= faultShare) return undefined;
        const fault = pick(faults);
        if (fault.kind === 'missing-column' && !request.query.get('$select')?.split(',').includes(fault.column))
          return undefined;
        run.faults.set(fault.kind, (run.faults.get(fault.kind) ?? 0) + 1);
        return fault;
      },
    });
    const model = createModel();
    const properties = Array.from(
      { length: 24 },
      (_, index) =>
        `${1 + (index % 5)}${String(700 + index).padStart(5, '0')}${String(5 + index * 7).padStart(4, '0')}`,
    );
    const editor = createEditor(sim, model, properties, below, pick);
    const edit = (): void => {
      editor();
      run.edits += 1;
    };
    for (let i = 0; i < 100; i += 1) editor();
    let judged = 0;
    const judge = (): void => {
      for (const change of sim.changes.slice(judged)) {
        const wrong = options.duringPolls ? undefined : model.judge(change);
        if (wrong) throw new Error(`seed ${seed}, after ${run.edits} edits: ${wrong}`);
      }
      judged = sim.changes.length;
    };

    while (run.edits < options.edits) {
      if (random() < 0.2 && sim.watched.size < properties.length) sim.watched.add(pick(properties));
      const dataset = pick([HPD, ECB, BIS, NOW]);
      sim.city.snapshot(dataset);
      for (let edits = below(options.duringPolls ? 3 : 8); edits > 0; edits -= 1) edit();
      // Many rows under one stamp, over the boundaries of pages.
      if (random() < 0.1) sim.city.update(dataset, () => true, {});
      if (random() < 0.03) sim.city.replace(dataset);
      sim.pass(random() < 0.3 ? below(12 * HOUR) : below(20 * MINUTE));
      if (random() < 0.1) sim.refuseSubmissions(1);
      faultShare = random() < 0.5 ? 0 : random() * 0.7;
      run.failed += (await sim.pollAll()).length;
      run.polls += 1;
      judge();
    }
    faultShare = 0;
    sim.refuseSubmissions(0);
    for (const property of properties) sim.watched.add(property);
    // A day later everything was read in full; one more poll confirms what looked suspicious.
    for (const ms of [MINUTE, 25 * HOUR, 5 * MINUTE, 5 * MINUTE]) {
      sim.pass(ms);
      expect(await sim.pollAll()).toEqual([]);
      judge();
    }
    for (const type of ['DOB', 'ECB', 'HPD']) {
      for (const property of properties) {
        const last = sim.changes.findLast(
          (change) => change.property_id === property && change.violation_type === type,
        );
        expect({ type, property, open: numbersOf(last) }).toEqual({ type, property, open: model.open(type, property) });
      }
    }
    return run;
  }
});

/** Makes one random edit in the city and tells the model. */
function createEditor(
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

function mulberry(seed: number): () => number {
  let state = seed * 7_919;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}
