/**
 * What every run stands on: a cluster, clients, a load, and somebody who reads the logs. When a run is over the stage
 * waits until all is quiet, and audits what the clients recorded.
 */
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Connection, connect, DEFAULT_KEY_PREFIX, intakeKey } from '@belfry/shared/log';
import { ownFolder, TEST_SECRET } from '@belfry/testkit';
import { checkAccepted, type LossyFault, readIntake, tornBy } from './audit/accepted.js';
import { audit } from './audit/audit.js';
import { createFindings, type Findings } from './audit/findings.js';
import { followTruth, type Truth } from './audit/truth.js';
import type { Plant } from './clients/plan.js';
import { type Swarms, startSwarms } from './clients/swarms.js';
import { type Cluster, startCluster } from './cluster/cluster.js';
import { followFailovers } from './cluster/failovers.js';
import type { RedisKind } from './cluster/redis.js';
import { type Load, startLoad } from './load/load.js';
import { createReporter, type Reporter } from './load/reporter.js';
import { changeNumber } from './names.js';
import type { Random } from './random.js';

export interface StageOptions {
  readonly seed: number;
  readonly random: Random;
  readonly redis: RedisKind;
  readonly clients: number;
  readonly gateways: number;
  readonly publishers: number;
  readonly properties: number;
  readonly channelsPerClient: number;
  /** Changes reported per second. */
  readonly perSecond: number;
  /** Every how manyth client follows `global`; 0: none. */
  readonly globalEvery: number;
  /** Every how manyth client connects through the proxy; 0: none. */
  readonly proxiedEvery: number;
  readonly plant: Plant | undefined;
  /** Milliseconds that clients have to catch up when all is healed; default: 60,000. */
  readonly settleMs?: number;
  readonly gatewayEnv?: Readonly<Record<string, string>>;
  /** Which gateways clients may connect to at first; default: all. */
  readonly openTo?: readonly boolean[];
  readonly onProgress: (line: string) => void;
}

export interface Verdict {
  readonly findings: Findings;
  readonly clientCounts: ReadonlyMap<string, number>;
  /** Milliseconds from the end of the load until every client was where the log ended; undefined: not in time. */
  readonly caughtUpAfter: number | undefined;
}

export interface Stage {
  readonly cluster: Cluster;
  readonly swarms: Swarms;
  readonly load: Load;
  readonly reporter: Reporter;
  readonly truth: Truth;
  /** Straight to Redis. */
  readonly redis: Connection;
  readonly findings: Findings;
  readonly startedAt: number;
  /** Processes that ended by themselves, or not as they should. */
  readonly exits: readonly string[];
  /** Says that Redis may lose what it accepted lately, or ever, until the result is called. */
  lossy(kind: string, everything: boolean): () => void;
  /** Which gateways a load balancer would use; default: those that run. */
  openOnly(to: readonly boolean[] | undefined): void;
  finish(): Promise<Verdict>;
  stop(): Promise<void>;
}

const CLIENT_PROCESSES = 2;
const START_MS = 90_000;
const SETTLE_MS = 60_000;
/** A failover may lose what was accepted shortly before it was noticed. */
const FAILOVER_REACH_MS = 15_000;

/** Starts everything; resolves when every client is connected and the load runs. */
export async function startStage(options: StageOptions): Promise<Stage> {
  const { onProgress } = options;
  const findings = createFindings();
  const exits: string[] = [];
  const lossyFaults: LossyFault[] = [];
  const folder = ownFolder('chaos');
  const stops: (() => Promise<void> | void)[] = [() => folder.remove()];
  let swarms: Swarms | undefined;
  let running: readonly boolean[] = [];
  let open = options.openTo;
  const tellHealth = (): void => swarms?.tell({ do: 'health', up: open ?? running });

  async function start(): Promise<Stage> {
    const cluster = await startCluster({
      ...options,
      onGateways: (up) => {
        running = up;
        tellHealth();
      },
      onIncident: (what) => exits.push(what),
    });
    stops.push(cluster.stop);
    const connectTo = (name: string): Connection => {
      const connection = connect({ url: cluster.redis.url, name, resend: false, onError: () => undefined });
      stops.push(() => connection.disconnect());
      return connection;
    };
    const redis = connectTo('chaos-truth');
    const stream = intakeKey(DEFAULT_KEY_PREFIX);
    const reporter = createReporter({
      connection: connectTo('chaos-load'),
      stream,
      publisher: () => {
        const up = cluster.publishers.filter(({ state }) => state === 'up' || state === 'frozen');
        return up.length > 0 ? up[Math.floor(Math.random() * up.length)]?.port : undefined;
      },
    });
    const truth = followTruth({ connection: redis, prefix: DEFAULT_KEY_PREFIX, properties: options.properties });
    stops.push(() => truth.stop());
    const startedAt = Date.now();
    const recordFiles = Array.from({ length: CLIENT_PROCESSES }, (_, n) => join(folder.path, `clients-${n}`));
    const started = startSwarms(
      {
        seed: options.seed,
        properties: options.properties,
        channelsPerClient: options.channelsPerClient,
        globalEvery: options.globalEvery,
        proxiedEvery: options.proxiedEvery,
        plant: options.plant,
        gateways: cluster.gateways.map(({ port }, n) => ({ port, proxied: cluster.proxied[n] as number })),
        secret: TEST_SECRET,
        startedAt,
      },
      options.clients,
      recordFiles,
    );
    swarms = started;
    stops.push(() => started.stop());
    tellHealth();
    await until('every client connected', START_MS, () => started.status().live === options.clients);
    onProgress(`${options.clients} clients connected after ${Date.now() - startedAt} ms`);
    const load = startLoad({
      properties: options.properties,
      perSecond: options.perSecond,
      hot: Math.max(1, Math.round(options.properties / 30)),
      reporter,
      random: options.random.fork(),
    });

    // A single Redis keeps what it acknowledged, whatever its replication id: nothing is excused there.
    if (options.redis !== 'standalone') {
      const stopFollowing = followFailovers(connectTo('chaos-failovers'), () => {
        load.forgetRepeatable();
        findings.count('changes of master seen');
        const now = Date.now();
        lossyFaults.push({ kind: 'failover', from: now - FAILOVER_REACH_MS, until: now + 1_000 });
      });
      stops.push(stopFollowing);
    }

    return {
      cluster,
      swarms: started,
      load,
      reporter,
      truth,
      redis,
      findings,
      startedAt,
      exits,
      lossy(kind, everything) {
        load.forgetRepeatable();
        const began = Date.now();
        const from = everything ? 0 : began - FAILOVER_REACH_MS;
        const torn = everything && options.redis === 'cluster' ? { tornFrom: began } : {};
        return () => {
          load.forgetRepeatable();
          lossyFaults.push({ kind, from, until: Date.now() + 1_000, ...torn });
        };
      },
      openOnly(to) {
        open = to;
        tellHealth();
      },
      async finish() {
        await load.finish();
        const caughtUpAfter = await settle({
          settleMs: SETTLE_MS,
          ...options,
          load,
          lossyFaults,
          truth,
          swarms: started,
          redis,
          stream,
        });
        const clientCounts = await started.finish();
        await truth.stop();
        const { chains } = truth;
        audit({ recordFiles, startedAt, chains, next: load.next, findings });
        const intake = await readIntake(redis, stream);
        checkAccepted({ accepted: load.accepted, intake, chains, lossy: lossyFaults, findings });
        for (const chain of chains.values()) {
          findings.count('log entries that Redis lost again', chain.retracted);
          findings.count('logs that Redis lost altogether', chain.lostWhole);
        }
        findings.count('dead letters', await redis.xlen(`${stream}:dead`));
        for (const [name, count] of Object.entries(load.counts)) findings.count(`reports: ${name}`, count);
        return { findings, clientCounts, caughtUpAfter };
      },
      stop,
    };
  }

  async function stop(): Promise<void> {
    for (const each of stops.reverse()) await each();
    stops.length = 0;
  }

  try {
    return await start();
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Everything is healed: waits until publishers have appended what is in the intake, and clients have all of it. */
async function settle(parts: {
  readonly load: Load;
  readonly lossyFaults: readonly LossyFault[];
  readonly truth: Truth;
  readonly swarms: Swarms;
  readonly redis: Connection;
  readonly stream: string;
  readonly settleMs: number;
  readonly onProgress: (line: string) => void;
}): Promise<number | undefined> {
  const { load, lossyFaults, onProgress, redis, settleMs, stream, swarms, truth } = parts;
  const started = performance.now();
  let missing = Number.NaN;
  let behind: { count: number; examples: readonly string[] } = { count: Number.NaN, examples: [] };
  while (performance.now() - started < settleMs) {
    let intake: ReadonlySet<number>;
    try {
      await truth.read();
      intake = await readIntake(redis, stream);
    } catch {
      // Redis is not back yet.
      await sleep(250);
      continue;
    }
    const appended = new Set<number>();
    for (const chain of truth.chains.values())
      for (const { change } of chain.entries) if (change !== undefined) appended.add(change);
    missing = load.accepted.filter(({ at, n, property }) => {
      const change = changeNumber(property, n);
      return intake.has(change) && !appended.has(change) && !tornBy(lossyFaults, at);
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

/** Polls until the condition holds. @throws where it does not in time */
export async function until(what: string, deadlineMs: number, condition: () => boolean): Promise<void> {
  const end = performance.now() + deadlineMs;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not ${what} within ${deadlineMs / 1_000} s`);
    await sleep(20);
  }
}
