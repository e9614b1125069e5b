/** BIS and DOB NOW make one report in which nothing is counted twice and nothing is missing. */
import { type CityRow, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Change } from '../../changes/change.js';
import { BBL, BIS, NOW, numbersOf } from './city-rows.test-support.js';
import { HOUR, MINUTE, type Simulation, startSimulation } from './simulation.test-support.js';

let redis: TestRedis;
let sim: Simulation;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
afterEach(() => sim.close());

const lastOf = (bbl: string): Change | undefined => sim.changes.findLast((change) => change.property_id === bbl);

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

  it('are one configuration: a dataset that comes to it or leaves it makes nothing new or resolved', async () => {
    await sim.pollAll();
    sim.reconfigure(['dob-bis']);
    await pollTwice();
    expect(lastOf(BBL)).toMatchObject({ baseline: true });
    expect(numbersOf(lastOf(BBL))).toEqual(['010126E00001', '010126E00002']);
    sim.reconfigure(['dob-bis', 'dob-now']);
    await pollTwice();
    expect(lastOf(BBL)).toMatchObject({ baseline: true });
    expect(numbersOf(lastOf(BBL))).toEqual(['010126E00001', '010126E00002', '010126E00003']);
    const reported = sim.changes.length;
    sim.city.insert(BIS, bisRow('4', '010126E00004'));
    await pollTwice();
    expect(sim.changes.slice(reported)).toHaveLength(2);
    expect(sim.changes.slice(reported).some(({ baseline }) => baseline)).toBe(false);
  });

  /** So that a row is also read again in the overlap. */
  async function pollTwice(): Promise<void> {
    for (let poll = 0; poll < 2; poll += 1) {
      sim.pass(5 * MINUTE);
      expect(await sim.pollAll()).toEqual([]);
    }
  }
});
