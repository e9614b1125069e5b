/**
 * Every gateway is restarted, one after the other, as a rollout does it: told to go, drained, back and whole before the
 * next one. Clients come back no faster than a gateway says that it can take them, nothing is lost, nobody gives up.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect, mintToken } from '@belfry/testkit';
import { VIOLATIONS } from '../chaos/audit/findings.js';
import type { Node } from '../chaos/cluster/node.js';
import { seededRandom } from '../chaos/random.js';
import { type Stage, startStage, until } from '../chaos/stage.js';
import { type Figure, printFigures, quantile } from './figures.js';
import { readMetrics } from './gateway-metrics.js';

const CLIENTS = 5_000;
const GATEWAYS = 3;
const PER_SECOND = 500;
const DRAIN_PER_SECOND = 100;
const RUN_MS = 5_000;
const DEADLINE_MS = 120_000;
const SAMPLE_MS = 200;

export async function rollingRestart(seed: number): Promise<boolean> {
  const stage = await startStage({
    seed,
    random: seededRandom(seed),
    redis: 'standalone',
    clients: CLIENTS,
    gateways: GATEWAYS,
    publishers: 2,
    properties: 500,
    channelsPerClient: 2,
    perSecond: PER_SECOND,
    globalEvery: 0,
    proxiedEvery: 0,
    plant: undefined,
    gatewayEnv: { DRAIN_PER_SECOND: String(DRAIN_PER_SECOND), SHUTDOWN_SECONDS: '90', HEARTBEAT_SECONDS: '30' },
    onProgress: console.log,
  });
  try {
    const { cluster, swarms } = stage;
    await sleep(RUN_MS);
    const before = await Promise.all(cluster.gateways.map(loadOf));
    const advised = Math.min(
      ...(await Promise.all(cluster.gateways.map((gateway) => advisedRate(gateway, CLIENTS / GATEWAYS)))),
    );
    const deliveredBefore = swarms.status().deliveries;
    const startedAt = performance.now();
    await swarms.recoveries();
    const arrivals = cluster.gateways.map(watchArrivals);
    const drains: number[] = [];
    try {
      for (const gateway of cluster.gateways) drains.push(await restart(stage, gateway));
    } finally {
      for (const { stop } of arrivals) stop();
    }
    const away = (await swarms.recoveries()).map(({ sinceLoss }) => sinceLoss);
    const seconds = (performance.now() - startedAt) / 1_000;
    const delivered = swarms.status().deliveries - deliveredBefore;
    await sleep(RUN_MS);
    const { caughtUpAfter, clientCounts, findings } = await stage.finish();
    for (const example of findings.examples) console.log(`  ${example}`);
    const count = (name: string): number => clientCounts.get(name) ?? 0;
    const figures: Figure[] = [
      ...before.flatMap(({ connections, delayMs, residentMb }, n): Figure[] => [
        { name: `gateway ${n + 1} before: connections`, value: connections, unit: '' },
        { name: `gateway ${n + 1} before: resident memory, MB`, value: residentMb, unit: '' },
        { name: `gateway ${n + 1} before: event-loop delay p99`, value: delayMs, unit: 'ms' },
      ]),
      { name: 'the whole rollout', value: seconds, unit: 's' },
      ...drains.map((drain, n): Figure => ({ name: `gateway ${n + 1}: SIGTERM to its end`, value: drain, unit: 's' })),
      { name: 'deliveries meanwhile', value: delivered, unit: '' },
      { name: 'reconnects', value: away.length, unit: '', limit: { atLeast: CLIENTS } },
      ...arrivals.map(
        ({ most }, n): Figure => ({
          name: `gateway ${n + 1}: most that came in a second`,
          value: Math.round(most()),
          unit: '',
          limit: { atMost: Math.floor(advised) },
        }),
      ),
      { name: 'advised by a gateway, a second', value: Math.floor(advised), unit: '' },
      { name: 'away, p50', value: quantile(away, 0.5) / 1_000, unit: 's' },
      { name: 'away, p99', value: quantile(away, 0.99) / 1_000, unit: 's' },
      { name: 'events by replay', value: findings.counts.get('events by replay') ?? 0, unit: '' },
      { name: 'gaps signalled', value: findings.counts.get('gaps signalled by recovered: false') ?? 0, unit: '' },
      { name: 'clients given up', value: count('terminal'), unit: '', limit: { atMost: 0 } },
      { name: 'connections that failed', value: count('failedConnects'), unit: '' },
      {
        name: 'connections cut without a close (1006)',
        value: count('closed with 1006'),
        unit: '',
        limit: { atMost: 0 },
      },
      { name: 'gateways that did not end in order', value: stage.exits.length, unit: '', limit: { atMost: 0 } },
      {
        name: 'all caught up after the load',
        value: (caughtUpAfter ?? Number.NaN) / 1_000,
        unit: 's',
        limit: { atMost: 60 },
      },
      ...VIOLATIONS.map(
        (kind): Figure => ({
          name: kind,
          value: findings.violations.get(kind) ?? 0,
          unit: '',
          limit: { atMost: 0 },
        }),
      ),
    ];
    return printFigures(
      `${GATEWAYS} gateways restarted one after the other, ${CLIENTS} clients, ${PER_SECOND} changes a second, drained at ${DRAIN_PER_SECOND} a second, seed ${seed}`,
      figures,
    );
  } finally {
    await stage.stop();
  }
}

/** @returns seconds from SIGTERM to the process's end */
async function restart({ swarms }: Stage, gateway: Node): Promise<number> {
  const toldAt = performance.now();
  await gateway.drain();
  const seconds = (performance.now() - toldAt) / 1_000;
  await gateway.start();
  await until('every client live', DEADLINE_MS, () => swarms.status().live === CLIENTS);
  console.log(`${gateway.name} restarted: drained in ${seconds.toFixed(1)} s`);
  return seconds;
}

/** What a gateway tells its clients: so many of them would come back within `first_ms`. */
async function advisedRate(gateway: Node, clients: number): Promise<number> {
  const token = mintToken({ user_id: 'asks' });
  const client = await connect(`ws://127.0.0.1:${gateway.port}/ws`, { token });
  const { reconnect } = (await client.next('WELCOME')) as unknown as { reconnect: { first_ms: number } };
  await client.close();
  return (clients / reconnect.first_ms) * 1_000;
}

async function loadOf(gateway: Node): Promise<{ connections: number; residentMb: number; delayMs: number }> {
  const metrics = await (await fetch(`${gateway.process?.operatorUrl}/metrics`)).text();
  const connections = Number(/^websocket_active_connections (\d+)/m.exec(metrics)?.[1]);
  const status = readFileSync(`/proc/${gateway.process?.pid}/status`, 'utf8');
  const residentMb = Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024);
  return { connections, residentMb, delayMs: (await readMetrics(gateway)).eventLoopDelayP99 };
}

/** How many connections a gateway takes in, in the busiest second; what it took in before it was restarted counts, too. */
function watchArrivals(gateway: Node): { most: () => number; stop: () => void } {
  let most = 0;
  let seen: { at: number; opened: number; pid: number | undefined }[] = [];
  const sample = async (): Promise<void> => {
    const { pid, operatorUrl } = gateway.process ?? {};
    const metrics = await (await fetch(`${operatorUrl}/metrics`)).text();
    const opened = Number(/^websocket_connections_total\{status="opened"\} (\d+)/m.exec(metrics)?.[1] ?? 0);
    const at = performance.now();
    seen = [...seen.filter((entry) => entry.pid === pid), { at, opened, pid }];
    // The newest sample that is a second old: a sampler that was held up makes the second longer, not the rate higher.
    const from = seen.findLastIndex((entry) => at - entry.at >= 1_000);
    if (from < 0) return;
    const start = seen[from] as (typeof seen)[number];
    most = Math.max(most, ((opened - start.opened) / (at - start.at)) * 1_000);
    seen = seen.slice(from);
  };
  const timer = setInterval(() => {
    // Between its end and its new start there is nothing to ask.
    sample().catch(() => undefined);
  }, SAMPLE_MS);
  return { most: () => most, stop: () => clearInterval(timer) };
}
