/** One run of chaos from start to verdict. */
import { startCanaries } from './canary.js';
import type { Plant } from './clients/plan.js';
import type { RedisKind } from './cluster/redis.js';
import { type Incident, runSchedule } from './faults/schedule.js';
import { seededRandom } from './random.js';
import { startStage, type Verdict } from './stage.js';

export interface RunOptions {
  readonly seconds: number;
  readonly seed: number;
  readonly redis: RedisKind;
  readonly clients: number;
  readonly gateways: number;
  readonly publishers: number;
  readonly properties: number;
  readonly channelsPerClient: number;
  /** Changes reported per second. */
  readonly perSecond: number;
  readonly plant: Plant | undefined;
  /** Milliseconds that clients have to catch up when all is healed. */
  readonly settleMs: number;
  readonly onProgress: (line: string) => void;
}

export interface RunResult extends Verdict {
  readonly options: RunOptions;
  readonly incidents: readonly Incident[];
  readonly exits: readonly string[];
  readonly seconds: number;
}

const PLANT_MS = 1_500;
/** Then no more, so that every planted fault is followed by events that show it. */
const PLANTED_SHARE = 0.6;

export async function run(options: RunOptions): Promise<RunResult> {
  const random = seededRandom(options.seed);
  const incidents: Incident[] = [];
  // Ten or so: each gets the events of every property.
  const globalEvery = Math.max(20, Math.floor(options.clients / 10));
  const stage = await startStage({ ...options, random, globalEvery, proxiedEvery: 4 });
  try {
    const { cluster, exits, findings, load, lossy, reporter, swarms } = stage;
    const canaries = startCanaries(cluster.gateways, reporter, String(stage.startedAt));
    const startedAt = Date.now();
    const plantUntil = startedAt + options.seconds * 1_000 * PLANTED_SHARE;
    const planting =
      options.plant && setInterval(() => Date.now() < plantUntil && swarms.tell({ do: 'plant' }), PLANT_MS);
    await runSchedule({
      world: { cluster, swarms, load, reporter, random: random.fork(), lossy, count: findings.count },
      canaries,
      seconds: options.seconds,
      startedAt,
      onIncident: (incident) => {
        incidents.push(incident);
        options.onProgress(progressLine(incident, swarms.status().deliveries));
      },
    });
    clearInterval(planting);
    canaries.stop();
    const seconds = (Date.now() - startedAt) / 1_000;
    options.onProgress('waiting until all is quiet, then auditing');
    return { ...(await stage.finish()), options, incidents, exits, seconds };
  } finally {
    await stage.stop();
  }
}

function progressLine(incident: Incident, deliveries: number): string {
  const { at, clientsAfter, eventsAfter, kind, problem, what } = incident;
  const seconds = (ms: number | undefined): string => (ms === undefined ? '–' : `${(ms / 1_000).toFixed(1)} s`);
  const recovery =
    eventsAfter === undefined ? '' : `  events ${seconds(eventsAfter)}, clients ${seconds(clientsAfter)}`;
  const trouble = problem ? `  PROBLEM: ${problem}` : '';
  return `${(at / 1_000).toFixed(1).padStart(6)} s  ${kind}: ${what}${recovery}  (${deliveries} delivered)${trouble}`;
}
