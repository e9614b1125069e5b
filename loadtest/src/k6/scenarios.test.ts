/** The scenarios do what they say: who is there when, and that every seat ends where the plan wants it. */
import { describe, expect, it } from 'vitest';
import { SCENARIOS, type ScenarioName, type Step } from './scenarios.ts';
import { readSettings } from './settings.ts';

const names = Object.keys(SCENARIOS) as ScenarioName[];

/** A generator of its own for each call, so that a failure can be repeated. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state * 1_103_515_245 + 12_345) % 2 ** 31;
    return state / 2 ** 31;
  };
}

function planOf(name: ScenarioName, connections = 500, more: Readonly<Record<string, string>> = {}) {
  const given: Readonly<Record<string, string>> = { connections: `${connections}`, ...more };
  const timeline = SCENARIOS[name].timeline(readSettings(name, (option) => given[option]));
  const random = seeded(7);
  const seats = Array.from({ length: connections }, (_, seat) => timeline.steps(seat, random));
  const presentAt = (ms: number) => seats.filter((steps) => isPresent(steps.filter(({ atMs }) => atMs <= ms))).length;
  return { timeline, seats, presentAt };
}

const isPresent = (past: readonly Step[]) => past.at(-1)?.does === 'join' || past.at(-1)?.does === 'return';

describe.each(names)('%s', (name) => {
  const { timeline, seats } = planOf(name);

  it('begins each seat with a join, keeps its steps in order, and comes before it goes', () => {
    for (const steps of seats) {
      expect(steps[0]?.does).toBe('join');
      for (const [n, step] of steps.entries()) {
        const before = steps[n - 1];
        if (!before) continue;
        expect(step.atMs).toBeGreaterThanOrEqual(before.atMs);
        expect(isPresent([step])).toBe(!isPresent([before]));
        if (step.does === 'return') expect(before.does).toBe('drop');
      }
    }
  });

  it('has everybody who comes back do so while events are still published, so that the last one reaches them', () => {
    for (const steps of seats) expect(steps.at(-1)?.atMs).toBeLessThanOrEqual(timeline.quietMs);
    expect(timeline.endMs > timeline.quietMs).toBe(timeline.publishing.length > 0);
  });
});

describe('the timelines', () => {
  it('connect: all are there at the end, and nothing is published', () => {
    const { timeline, presentAt } = planOf('connect');
    expect(timeline.publishing).toEqual([]);
    expect(presentAt(timeline.quietMs)).toBe(500);
  });

  it('fanout: all are there before the first event', () => {
    const { timeline, presentAt } = planOf('fanout');
    expect(presentAt(timeline.publishing[0]?.fromMs ?? 0)).toBe(500);
  });

  it('storm: all come within a second, are gone at once halfway, and are back two seconds later', () => {
    const { seats, presentAt } = planOf('storm');
    expect(Math.max(...seats.map(([join]) => join?.atMs ?? 0))).toBeLessThanOrEqual(1_000);
    const halfway = seats[0]?.[1]?.atMs ?? 0;
    expect([presentAt(halfway - 1), presentAt(halfway), presentAt(halfway + 2_001)]).toEqual([500, 0, 500]);
  });

  it('spike: a tenth, then all of them with five times the events, then a tenth again', () => {
    const { timeline, presentAt } = planOf('spike');
    const [before, during, after] = timeline.publishing;
    expect(presentAt((during?.fromMs ?? 0) - 1)).toBe(50);
    expect(presentAt((after?.fromMs ?? 0) - 1)).toBe(500);
    expect(presentAt(timeline.quietMs)).toBe(50);
    expect((during?.rate ?? 0) / (before?.rate ?? 1)).toBe(5);
  });

  it('spike: nobody goes before coming, however short it is', () => {
    const { seats, presentAt, timeline } = planOf('spike', 500, { duration: '6' });
    for (const [join, leave] of seats) expect(leave?.atMs ?? timeline.quietMs).toBeGreaterThan(join?.atMs ?? 0);
    expect(presentAt(timeline.quietMs)).toBe(50);
  });

  it.each(['resume', 'churn', 'storm'] as const)(
    '%s: clients go and come back in the shortest duration, too',
    (name) => {
      const { seats, timeline } = planOf(name, 500, { duration: `${SCENARIOS[name].shortest}`, churn: '500' });
      const steps = seats.flat();
      expect(steps.some(({ does }) => does === 'drop' || does === 'leave')).toBe(true);
      expect(Math.max(...steps.map(({ atMs }) => atMs))).toBeLessThanOrEqual(timeline.quietMs + 1);
    },
  );

  it('churn: as many go and come as was asked for', () => {
    const { seats } = planOf('churn', 10_000);
    const joins = seats.flat().filter(({ does }) => does === 'join').length - 10_000;
    expect(joins / 120).toBeGreaterThan(150);
    expect(joins / 120).toBeLessThan(250);
  });

  it('resume: a fifth is cut in each wave', () => {
    const { seats } = planOf('resume', 1_000);
    const drops = seats.flat().filter(({ does }) => does === 'drop').length;
    expect(drops / 6).toBeGreaterThan(150);
    expect(drops / 6).toBeLessThan(250);
  });
});
