/** Hundreds of edits over simulated days, with failures of every kind, compared with an independent model of the city. */
import { type CityFault, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Change } from '../../changes/change.js';
import { BBL, BIS, ECB, HPD, NOW, numbersOf } from './city-rows.test-support.js';
import { createEditor, seeded } from './editor.test-support.js';
import { createModel, HOUR, MINUTE, type Simulation, startSimulation } from './simulation.test-support.js';

let redis: TestRedis;
let sim: Simulation;

beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());
afterEach(() => sim.close());

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
    { timeout: 600_000 },
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
    timeout: 600_000,
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
    const random = seeded(seed);
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
