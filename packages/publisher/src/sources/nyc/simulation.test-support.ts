/**
 * A simulated city and an independent model of it, for tests of polling. The model is told of every edit by the test that
 * makes it and knows nothing of datasets, BBL rules or questions: it holds, per dataset and property, which numbers are
 * open, and remembers every state that it was ever in.
 */
import { type Clock, createLogger, Registry } from '@belfry/shared/service';
import { type City, type CityFault, type CityRequest, startCity, type TestRedis } from '@belfry/testkit';
import type { Change } from '../../changes/change.js';
import { createCityClient } from './client.js';
import type { Dataset } from './dataset.js';
import { datasetsNamed } from './datasets.js';
import { createLedger, type Ledger } from './ledger.js';
import { createSourceMetrics } from './metrics.js';
import type { PollTiming } from './poll.js';
import { createPoller, type Poller } from './poller.js';
import { createQuarantine, type Quarantine } from './quarantine.js';
import { createSourceStates, type SourceState, type SourceStates } from './state.js';

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;

export interface Simulation {
  readonly city: City;
  readonly poller: Poller;
  readonly ledger: Ledger;
  readonly quarantine: Quarantine;
  readonly states: SourceStates;
  readonly seenStates: SourceState[];
  readonly registry: Registry;
  readonly watched: Set<string>;
  /** Everything that was submitted, in order. */
  readonly changes: Change[];
  /** As a restart with other NYC_DATASETS. */
  reconfigure(datasets: readonly string[]): void;
  /** Makes the next submissions fail. */
  refuseSubmissions(times: number): void;
  /** Polls every violation type once; returns the errors. */
  pollAll(): Promise<unknown[]>;
  pass(ms: number): void;
  now(): number;
  close(): Promise<void>;
}

export interface SimulationOptions {
  readonly redis: TestRedis;
  readonly datasets?: readonly string[];
  readonly pageRows?: number;
  readonly timing?: Partial<PollTiming>;
  readonly fault?: (request: CityRequest) => CityFault | undefined;
}

export async function startSimulation(options: SimulationOptions): Promise<Simulation> {
  let time = Date.parse('2026-05-04T09:00:00Z');
  const now = (): number => time;
  // Whoever waits makes the time pass.
  const clock: Clock = {
    now,
    after: (ms, run) => {
      time += ms;
      const immediate = setImmediate(run);
      return () => clearImmediate(immediate);
    },
    every: () => () => undefined,
  };
  const city = await startCity({ now, ...(options.fault ? { fault: options.fault } : {}) });
  const redis = options.redis.connect();
  await redis.flushall();
  const logger = createLogger('test', process.env.TEST_LOG_LEVEL ?? 'silent');
  const datasets = datasetsNamed(options.datasets ?? ['dob-bis', 'dob-now', 'ecb', 'hpd']);
  const watched = new Set<string>();
  const changes: Change[] = [];
  const seenStates: SourceState[] = [];
  let refused = 0;

  const registry = new Registry();
  const states = createSourceStates({
    redis,
    prefix: 'test',
    datasets,
    now,
    logger,
    announce: async (state) => void seenStates.push(state),
  });
  const metrics = createSourceMetrics(registry, states.list);
  const ledger = createLedger(redis, 'test');
  const quarantine = createQuarantine(redis, 'test', now, metrics.quarantined);
  const pollerOf = (those: readonly Dataset[]): Poller =>
    createPoller({
      datasets: those,
      client: createCityClient({ baseUrl: city.url, fetch, clock, logger, attempts: 3, onAttempt: metrics.attempt }),
      ledger,
      quarantine,
      watched: async () => new Set(watched),
      submit: async (submitted) => {
        if (refused > 0) {
          refused -= 1;
          throw new Error('intake is away');
        }
        changes.push(...submitted);
      },
      logger,
      now,
      pageRows: options.pageRows ?? 7,
      timing: {
        everyMs: 5 * MINUTE,
        overlapMs: 10 * MINUTE,
        reconcileMs: 24 * HOUR,
        confirmAfterMs: MINUTE,
        ...options.timing,
      },
      redis,
      states,
      metrics,
    });
  let poller = pollerOf(datasets);

  return {
    city,
    get poller() {
      return poller;
    },
    ledger,
    quarantine,
    states,
    seenStates,
    registry,
    watched,
    changes,
    reconfigure: (names) => {
      poller = pollerOf(datasetsNamed(names));
    },
    refuseSubmissions: (times) => {
      refused = times;
    },
    async pollAll() {
      const errors: unknown[] = [];
      for (const type of poller.violationTypes) await poller.poll(type).catch((error: unknown) => errors.push(error));
      return errors;
    },
    pass: (ms) => {
      time += ms;
    },
    now,
    async close() {
      await city.close();
      redis.disconnect();
    },
  };
}

/** Which numbers are open, and which the dataset knows at all, of one dataset at one property. */
interface PartState {
  readonly open: ReadonlySet<string>;
  readonly known: ReadonlySet<string>;
}

const NOTHING: PartState = { open: new Set(), known: new Set() };

export interface Model {
  /** A violation is open or closed at a property; undefined: it is not there (any more). */
  set(dataset: string, bbl: string, number: string, state: 'open' | 'closed' | undefined): void;
  /** What must be open. */
  open(violationType: string, bbl: string): string[];
  /**
   * Judges a report: it must be a state that the city had, no older than what the report before it showed (mixed from two
   * datasets, a state of each). Returns what is wrong.
   */
  judge(change: Change): string | undefined;
}

/** Per violation type the datasets, the one that decides last. */
const TYPES: Readonly<Record<string, readonly string[]>> = { DOB: ['dob-bis', 'dob-now'], ECB: ['ecb'], HPD: ['hpd'] };

export function createModel(): Model {
  const histories = new Map<string, PartState[]>();
  /** Per type and property: index into each dataset's history, all combinations that the last report could have been of. */
  const possible = new Map<string, number[][]>();

  const historyOf = (dataset: string, bbl: string): PartState[] => {
    const key = `${dataset} ${bbl}`;
    const history = histories.get(key) ?? [NOTHING];
    histories.set(key, history);
    return history;
  };
  const merged = (states: readonly PartState[]): string[] => {
    const [first = NOTHING, decider = NOTHING] = states.length === 1 ? [states[0], NOTHING] : states;
    return [...decider.open, ...[...first.open].filter((number) => !decider.known.has(number))].sort();
  };

  return {
    set(dataset, bbl, number, state) {
      const history = historyOf(dataset, bbl);
      const last = history.at(-1) ?? NOTHING;
      const open = new Set(last.open);
      const known = new Set(last.known);
      open.delete(number);
      known.delete(number);
      if (state) known.add(number);
      if (state === 'open') open.add(number);
      history.push({ open, known });
    },
    open: (violationType, bbl) =>
      merged((TYPES[violationType] ?? []).map((dataset) => historyOf(dataset, bbl).at(-1) ?? NOTHING)),
    judge(change) {
      if (!('violations' in change)) return 'not a full report';
      const numbers = change.violations.map(({ number }) => number).sort();
      if (new Set(numbers).size < numbers.length) return `a number twice: ${numbers}`;
      const datasets = TYPES[change.violation_type] ?? [];
      const parts = datasets.map((dataset) => historyOf(dataset, change.property_id));
      const key = `${change.violation_type} ${change.property_id}`;
      const before = possible.get(key) ?? [parts.map(() => 0)];
      const now = combinations(parts.map((history) => history.length)).filter(
        (indices) =>
          before.some((earlier) => earlier.every((index, i) => index <= (indices[i] ?? 0))) &&
          String(merged(indices.map((index, i) => parts[i]?.[index] ?? NOTHING))) === String(numbers),
      );
      if (now.length === 0) return `${key} never had, or no longer has, [${numbers}]`;
      possible.set(key, now);
      return undefined;
    },
  };
}

const combinations = (lengths: readonly number[]): number[][] =>
  lengths.reduce<number[][]>(
    (all, length) => all.flatMap((indices) => Array.from({ length }, (_, index) => [...indices, index])),
    [[]],
  );
