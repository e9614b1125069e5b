/** What one source reports of what its dataset shows, point by point, through every failure that the city is known for. */
import { type CityFault, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Change } from '../../changes/change.js';
import { BBL, HPD, hpdRow, numbersOf, OTHER } from './city-rows.test-support.js';
import { HOUR, MINUTE, type Simulation, startSimulation } from './simulation.test-support.js';

let redis: TestRedis;
let sim: Simulation;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
afterEach(() => sim.close());

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

  it('does without them also where the city says that it has no such column', async () => {
    await sim.close();
    sim = await startSimulation({
      redis,
      datasets: ['hpd'],
      fault: () => ({ kind: 'missing-column', column: ':updated_at' }),
    });
    sim.watched.add(BBL);
    sim.city.insert(HPD, hpdRow(1));
    expect(await sim.pollAll()).toEqual([]);
    expect(numbersOf(lastOf(BBL))).toEqual(['1']);
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
