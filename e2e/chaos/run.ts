/** One run of chaos from start to verdict. */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, connect, DEFAULT_KEY_PREFIX, intakeKey } from '@belfry/shared/log';
import { ownFolder, TEST_SECRET } from '@belfry/testkit';
import { checkAccepted, type LossyFault, readIntake } from './audit/accepted.js';
import { audit } from './audit/audit.js';
import { createFindings, type Findings } from './audit/findings.js';
import { followTruth, type Truth } from './audit/truth.js';
import { startCanaries } from './canary.js';
import type { Plant } from './clients/plan.js';
import { type Swarms, startSwarms } from './clients/swarms.js';
import { startCluster } from './cluster/cluster.js';
import type { RedisKind } from './cluster/redis.js';
import type { World } from './faults/fault.js';
import { type Incident, runSchedule } from './faults/schedule.js';
import { type Load, startLoad } from './load/load.js';
import { createReporter } from './load/reporter.js';
import { changeNumber } from './names.js';
import { seededRandom } from './random.js';

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
  readonly onProgress: (line: string) => void;
}

export interface RunResult {
  readonly options: RunOptions;
  readonly findings: Findings;
  readonly incidents: readonly Incident[];
  /** Processes that ended by themselves, or not as they should. */
  readonly exits: readonly string[];
  readonly clientCounts: ReadonlyMap<string, number>;
  readonly seconds: number;
  /** Milliseconds from the end of the load until every client was where the log ended. */
  readonly caughtUpAfter: number | undefined;
}

const CLIENT_PROCESSES = 2;
const START_MS = 60_000;
const SETTLE_MS = 60_000;
const PLANT_MS = 4_000;
/** A failover may lose what was accepted shortly before it was noticed. */
const FAILOVER_REACH_MS = 15_000;

export async function run(options: RunOptions): Promise<RunResult> {
  const random = seededRandom(options.seed);
  const findings = createFindings();
  const exits: string[] = [];
  const incidents: Incident[] = [];
  const lossy: LossyFault[] = [];
  const folder = ownFolder('chaos');
  const stops: (() => Promise<void> | void)[] = [() => folder.remove()];
  let swarms: Swarms | undefined;
  try {
    const cluster = await startCluster({
      ...options,
      onGateways: (up) => swarms?.tell({ do: 'health', up }),
      onIncident: (what) => exits.push(what),
    });
    stops.push(cluster.stop);
    const open = (name: string): Connection => {
      const connection = connect({ url: cluster.redis.url, name, resend: false, onError: () => undefined });
      stops.push(() => connection.disconnect());
      return connection;
    };
    const reading = open('chaos-truth');
    const stream = intakeKey(DEFAULT_KEY_PREFIX);
    const reporter = createReporter({
      connection: open('chaos-load'),
      stream,
      publisher: () => {
        const up = cluster.publishers.filter(({ state }) => state === 'up' || state === 'frozen');
        return up.length > 0 ? up[Math.floor(Math.random() * up.length)]?.port : undefined;
      },
    });
    const truth = followTruth({ connection: reading, prefix: DEFAULT_KEY_PREFIX, properties: options.properties });
    stops.push(() => truth.stop());
    const startedAt = Date.now();
    const recordFiles = Array.from({ length: CLIENT_PROCESSES }, (_, n) => join(folder.path, `clients-${n}`));
    const started = startSwarms(
      {
        seed: options.seed,
        properties: options.properties,
        channelsPerClient: options.channelsPerClient,
        globalEvery: 100,
        proxiedEvery: 4,
        gateways: cluster.gateways.map(({ port }, n) => ({ port, proxied: cluster.proxied[n] as number })),
        secret: TEST_SECRET,
        startedAt,
        plant: options.plant,
      },
      options.clients,
      recordFiles,
    );
    swarms = started;
    stops.push(() => started.stop());
    await until('every client connected', START_MS, () => started.status().live === options.clients);
    options.onProgress(`${options.clients} clients connected after ${Date.now() - startedAt} ms`);

    const load = startLoad({
      properties: options.properties,
      perSecond: options.perSecond,
      hot: Math.max(1, Math.round(options.properties / 30)),
      reporter,
      random: random.fork(),
    });
    const canaries = startCanaries(cluster.gateways, reporter, String(startedAt));
    stops.push(() => canaries.stop());
    const world: World = {
      cluster,
      swarms: started,
      load,
      reporter,
      random: random.fork(),
      count: findings.count,
      lossy: (kind, everything) => {
        load.forgetRepeatable();
        const from = everything ? 0 : Date.now() - FAILOVER_REACH_MS;
        return () => {
          load.forgetRepeatable();
          lossy.push({ kind, from, until: Date.now() + 1_000 });
        };
      },
    };
    const planting = options.plant && setInterval(() => started.tell({ do: 'plant' }), PLANT_MS);
    const faultsFrom = Date.now();
    await runSchedule({
      world,
      canaries,
      seconds: options.seconds,
      startedAt: faultsFrom,
      onIncident: (incident) => {
        incidents.push(incident);
        options.onProgress(progressLine(incident, started.status().deliveries));
      },
    });
    clearInterval(planting);
    const seconds = (Date.now() - faultsFrom) / 1_000;

    await load.finish();
    const caughtUpAfter = await settle({
      load,
      truth,
      swarms: started,
      reading,
      stream,
      onProgress: options.onProgress,
    });
    const clientCounts = await started.finish();
    await truth.stop();
    options.onProgress('auditing');
    audit({ recordFiles, startedAt, chains: truth.chains, next: load.next, findings });
    const intake = await readIntake(reading, stream);
    checkAccepted({ accepted: load.accepted, intake, chains: truth.chains, lossy, findings });
    countChains(truth, findings);
    findings.count('dead letters', await reading.xlen(`${stream}:dead`));
    for (const [name, count] of Object.entries(load.counts)) findings.count(`reports: ${name}`, count);
    return { options, findings, incidents, exits, clientCounts, seconds, caughtUpAfter };
  } finally {
    for (const stop of stops.reverse()) await stop();
  }
}

/** Everything is healed: waits until publishers have appended what is in the intake, and clients have all of it. */
async function settle(parts: {
  readonly load: Load;
  readonly truth: Truth;
  readonly swarms: Swarms;
  readonly reading: Connection;
  readonly stream: string;
  readonly onProgress: (line: string) => void;
}): Promise<number | undefined> {
  const { load, onProgress, reading, stream, swarms, truth } = parts;
  const started = performance.now();
  let missing = Number.NaN;
  let behind: { count: number; examples: readonly string[] } = { count: Number.NaN, examples: [] };
  while (performance.now() - started < SETTLE_MS) {
    await truth.read();
    const intake = await readIntake(reading, stream);
    const appended = new Set<number>();
    for (const chain of truth.chains.values())
      for (const { change } of chain.entries) if (change !== undefined) appended.add(change);
    missing = load.accepted.filter(({ n, property }) => {
      const change = changeNumber(property, n);
      return intake.has(change) && !appended.has(change);
    }).length;
    const ends = [...truth.chains].flatMap(([channel, { end }]) =>
      end ? [[channel, end.epoch, end.offset] as const] : [],
    );
    behind = await swarms.behind(ends);
    if (missing === 0 && behind.count === 0 && swarms.status().stalled === 0) {
      // Nothing may come any more: what is read now is the end.
      await truth.read();
      return performance.now() - started;
    }
    await sleep(250);
  }
  onProgress(`not settled: ${missing} changes not appended, ${behind.count} channels of clients behind`);
  for (const example of behind.examples) onProgress(`  ${example}`);
  return undefined;
}

function countChains(truth: Truth, findings: Findings): void {
  for (const chain of truth.chains.values()) {
    findings.count('log entries that Redis lost again', chain.retracted);
    findings.count('logs that Redis lost altogether', chain.lostWhole);
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

async function until(what: string, deadlineMs: number, condition: () => boolean): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not ${what} within ${deadlineMs / 1_000} s`);
    await sleep(20);
  }
}
