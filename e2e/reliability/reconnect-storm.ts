/** Ten thousand clients are dropped at once and miss some events each: how long until all are live and caught up? */
import { setTimeout as sleep } from 'node:timers/promises';
import { VIOLATIONS } from '../chaos/audit/findings.js';
import type { Recovery } from '../chaos/clients/plan.js';
import { seededRandom } from '../chaos/random.js';
import { startStage } from '../chaos/stage.js';
import { type Figure, printFigures, quantile } from './figures.js';
import { readMetrics } from './gateway-metrics.js';

const CLIENTS = 10_000;
const PROPERTIES = 100;
/** With ten channels each, and this many changes a second, a client misses some in this time. */
const PER_SECOND = 10;
const AWAY_MS = 3_000;
const RUN_MS = 5_000;
const DEADLINE_MS = 60_000;

export async function reconnectStorm(seed: number): Promise<boolean> {
  const stage = await startStage({
    seed,
    random: seededRandom(seed),
    redis: 'standalone',
    clients: CLIENTS,
    gateways: 3,
    publishers: 1,
    properties: PROPERTIES,
    channelsPerClient: 10,
    perSecond: PER_SECOND,
    globalEvery: 0,
    proxiedEvery: 0,
    plant: undefined,
    // As they are by default; the stage has shorter ones.
    gatewayEnv: { LINGER_SECONDS: '5', HEARTBEAT_SECONDS: '30' },
    onProgress: console.log,
  });
  try {
    const { cluster, swarms } = stage;
    await sleep(RUN_MS);
    await swarms.recoveries();
    const before = await Promise.all(cluster.gateways.map(readMetrics));
    const droppedAt = performance.now();
    swarms.tell({ do: 'cut', share: 1, holdMs: AWAY_MS });
    const back: Recovery[] = [];
    while (back.length < CLIENTS && performance.now() - droppedAt < DEADLINE_MS) {
      await sleep(250);
      back.push(...(await swarms.recoveries()));
    }
    const after = await Promise.all(cluster.gateways.map(readMetrics));
    await sleep(RUN_MS);
    const { clientCounts, findings } = await stage.finish();
    for (const example of findings.examples) console.log(`  ${example}`);

    const sinceAttempt = back.map((recovery) => recovery.sinceAttempt);
    const within = (ms: number): number => (sinceAttempt.filter((each) => each <= ms).length / CLIENTS) * 100;
    const perProperty = after.map(
      ({ propertyLogReads }, n) => (propertyLogReads - (before[n]?.propertyLogReads ?? 0)) / PROPERTIES,
    );
    const perChannel = after.map(({ channels, logReads }, n) => (logReads - (before[n]?.logReads ?? 0)) / channels);
    const figures: Figure[] = [
      { name: 'clients back', value: back.length, unit: '', limit: { atLeast: CLIENTS } },
      {
        name: 'live and caught up within 5 s of their attempt',
        value: within(5_000),
        unit: '%',
        limit: { atLeast: 95 },
      },
      { name: 'live and caught up within 15 s of it', value: within(15_000), unit: '%', limit: { atLeast: 100 } },
      { name: 'p50 since their attempt', value: quantile(sinceAttempt, 0.5) / 1_000, unit: 's' },
      { name: 'p99 since their attempt', value: quantile(sinceAttempt, 0.99) / 1_000, unit: 's' },
      {
        name: 'the last one since the drop',
        value: Math.max(...back.map(({ sinceLoss }) => sinceLoss)) / 1_000,
        unit: 's',
      },
      { name: 'connections made', value: clientCounts.get('connects') ?? 0, unit: '' },
      { name: 'given up by clients because nothing came', value: clientCounts.get('silent') ?? 0, unit: '' },
      { name: 'events by replay', value: findings.counts.get('events by replay') ?? 0, unit: '' },
      ...after.flatMap(({ eventLoopDelayP99 }, n): Figure[] => [
        {
          name: `gateway ${n + 1}: event-loop delay p99`,
          value: eventLoopDelayP99,
          unit: 'ms',
          limit: { atMost: 200 },
        },
        { name: `gateway ${n + 1}: readings per property`, value: perProperty[n] ?? 0, unit: '', limit: { atMost: 1 } },
        { name: `gateway ${n + 1}: readings per channel`, value: perChannel[n] ?? 0, unit: '', limit: { atMost: 1 } },
      ]),
      ...VIOLATIONS.map(
        (kind): Figure => ({ name: kind, value: findings.violations.get(kind) ?? 0, unit: '', limit: { atMost: 0 } }),
      ),
    ];
    return printFigures(
      `${CLIENTS} clients dropped at once, away for ${AWAY_MS / 1_000} s and their own delay, ${PER_SECOND} changes a second, seed ${seed}`,
      figures,
    );
  } finally {
    await stage.stop();
  }
}
