/** A gateway is killed with all the clients it has: how long until they are live and caught up on the others? */
import { setTimeout as sleep } from 'node:timers/promises';
import { VIOLATIONS } from '../chaos/audit/findings.js';
import { seededRandom } from '../chaos/random.js';
import { startStage, until } from '../chaos/stage.js';
import { printFigures, quantile } from './figures.js';

const CLIENTS = 3_000;
const RUN_MS = 5_000;
const DEADLINE_MS = 60_000;

export async function gatewayKill(seed: number): Promise<boolean> {
  const only = [true, false, false];
  const stage = await startStage({
    seed,
    random: seededRandom(seed),
    redis: 'standalone',
    clients: CLIENTS,
    gateways: 3,
    publishers: 2,
    properties: 150,
    channelsPerClient: 10,
    perSecond: 80,
    globalEvery: 0,
    proxiedEvery: 0,
    plant: undefined,
    openTo: only,
    onProgress: console.log,
  });
  try {
    const { cluster, swarms } = stage;
    await sleep(RUN_MS);
    await swarms.recoveries();
    stage.openOnly(undefined);
    const killedAt = performance.now();
    await cluster.gateways[0]?.kill();
    let back: number[] = [];
    let allAfter = Number.NaN;
    while (back.length < CLIENTS && performance.now() - killedAt < DEADLINE_MS) {
      await sleep(100);
      back = [...back, ...(await swarms.recoveries()).map(({ sinceLoss }) => sinceLoss)];
    }
    if (back.length >= CLIENTS) allAfter = performance.now() - killedAt;
    await until('every client live', DEADLINE_MS, () => swarms.status().live === CLIENTS);
    await sleep(RUN_MS);
    const { clientCounts, findings } = await stage.finish();
    for (const example of findings.examples) console.log(`  ${example}`);
    return printFigures(`A gateway killed (-9) with ${CLIENTS} clients, 80 changes a second, seed ${seed}`, [
      { name: 'clients live and caught up elsewhere', value: back.length, unit: '', limit: { atLeast: CLIENTS } },
      { name: 'after, p50', value: quantile(back, 0.5) / 1_000, unit: 's' },
      { name: 'after, p99', value: quantile(back, 0.99) / 1_000, unit: 's', limit: { atMost: 10 } },
      { name: 'after, the last', value: allAfter / 1_000, unit: 's' },
      { name: 'events delivered and audited', value: findings.counts.get('deliveries') ?? 0, unit: '' },
      { name: 'of them by replay', value: findings.counts.get('events by replay') ?? 0, unit: '' },
      { name: 'gaps signalled', value: gaps(findings.counts), unit: '' },
      { name: 'connections that failed', value: clientCounts.get('failedConnects') ?? 0, unit: '' },
      ...VIOLATIONS.map((kind) => ({
        name: kind,
        value: findings.violations.get(kind) ?? 0,
        unit: '' as const,
        limit: { atMost: 0 },
      })),
    ]);
  } finally {
    await stage.stop();
  }
}

const gaps = (counts: ReadonlyMap<string, number>): number =>
  (counts.get('gaps signalled by recovered: false') ?? 0) + (counts.get('gaps signalled by RESYNC') ?? 0);
