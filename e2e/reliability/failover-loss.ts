/**
 * A Sentinel failover that loses acknowledged writes. Two kinds of loss, both seen by clients before they happen:
 *
 * - the intake entry had reached the replica, the event made of it had not: it is appended again
 * - neither had: it is gone, as Redis' asynchronous replication allows; clients are told
 *
 * Every client that saw an event which is gone has to get RESYNC and STATE.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { intakeKey } from '@belfry/shared/log';
import { eventually, type TestRedis } from '@belfry/testkit';
import { VIOLATIONS } from '../chaos/audit/findings.js';
import { changeOf } from '../chaos/load/changes.js';
import { changeNumber } from '../chaos/names.js';
import { seededRandom } from '../chaos/random.js';
import { type Stage, startStage, until } from '../chaos/stage.js';
import { printFigures } from './figures.js';

const CLIENTS = 300;
const PROPERTIES = 30;
const RUN_MS = 4_000;
const DEADLINE_MS = 30_000;

/** Lets a replica follow nobody that is there, so that it stays as it is; Sentinel would mend that after 8 s. */
async function cutOff(replica: TestRedis): Promise<void> {
  const connection = replica.connect();
  await connection.replicaof('127.0.0.1', 1);
  connection.disconnect();
}

const appendedChanges = (stage: Stage): Set<number> => {
  const found = new Set<number>();
  for (const [channel, { entries }] of stage.truth.chains)
    if (channel < PROPERTIES) for (const { change } of entries) if (change !== undefined) found.add(change);
  return found;
};

async function allAppended(stage: Stage, changes: readonly number[]): Promise<void> {
  await eventually(
    'every change appended',
    async () => {
      await stage.truth.read();
      const there = appendedChanges(stage);
      return changes.every((change) => there.has(change));
    },
    { deadlineMs: DEADLINE_MS },
  );
}

/** The deliveries that a run of these changes makes: every client follows every property. */
const deliveriesOf = (changes: readonly number[]): number => changes.length * CLIENTS;

export async function failoverLoss(seed: number): Promise<boolean> {
  const stage = await startStage({
    seed,
    random: seededRandom(seed),
    redis: 'sentinel',
    clients: CLIENTS,
    gateways: 2,
    publishers: 2,
    properties: PROPERTIES,
    channelsPerClient: PROPERTIES,
    perSecond: 20,
    globalEvery: 0,
    proxiedEvery: 0,
    plant: undefined,
    onProgress: console.log,
  });
  try {
    const { cluster, load, redis, reporter, swarms, truth } = stage;
    await sleep(RUN_MS);
    await load.pause();
    await allAppended(
      stage,
      load.accepted.map(({ n, property }) => changeNumber(property, n)),
    );
    const master = await cluster.redis.master();
    const replica = cluster.redis.nodes.find((node) => node !== master);
    if (!replica) throw new Error('there is no replica');
    await until('every delivery made', DEADLINE_MS, () => swarms.status().deliveries >= load.accepted.length * CLIENTS);
    const before = swarms.status().deliveries;
    const over = stage.lossy('failover', false);

    // First loss: accepted and replicated while no publisher works, appended when the replica hears nothing any more.
    for (const publisher of cluster.publishers) publisher.freeze();
    const kept = Array.from({ length: PROPERTIES }, (_, property) => load.claim(property));
    await reporter.overStream(
      kept.map(({ n, property }) => ({ change: changeOf(property, n), key: `kept-${property}` })),
    );
    const held = Number(await redis.call('WAIT', 1, 5_000));
    if (held < 1) throw new Error('the replica does not confirm');
    await cutOff(replica);
    for (const publisher of cluster.publishers) publisher.thaw();

    // Second loss: accepted by the master alone.
    const lost = Array.from({ length: PROPERTIES / 2 }, (_, property) => load.claim(property));
    const lostIds = await reporter.overStream(
      lost.map(({ n, property }) => ({ change: changeOf(property, n), key: `lost-${property}` })),
    );
    const vanishing = [...kept, ...lost].map(({ n, property }) => changeNumber(property, n));
    await allAppended(stage, vanishing);
    await until(
      'every client to have seen what will be lost',
      DEADLINE_MS,
      () => swarms.status().deliveries >= before + deliveriesOf(vanishing),
    );
    console.log(`${vanishing.length} events appended that the replica does not have, each seen by ${CLIENTS} clients`);

    const failedAt = performance.now();
    await master.kill();
    const promoted = await eventually(
      'failover',
      async () => ((await cluster.redis.master()) === master ? undefined : cluster.redis.master()),
      { deadlineMs: DEADLINE_MS },
    );
    const promotedAfter = performance.now() - failedAt;
    await allAppended(
      stage,
      kept.map(({ n, property }) => changeNumber(property, n)),
    );
    const appendedAfter = performance.now() - failedAt;
    over();
    await master.start();
    load.resume();
    await sleep(RUN_MS);
    const lostInFact = await intakeLacks(promoted, lostIds);
    const { caughtUpAfter, findings } = await stage.finish();
    for (const example of findings.examples) console.log(`  ${example}`);
    const retracted = [...truth.chains].reduce(
      (sum, [channel, chain]) => sum + (channel < PROPERTIES ? chain.retracted : 0),
      0,
    );
    return printFigures(`A Sentinel failover that loses acknowledged writes, ${CLIENTS} clients, seed ${seed}`, [
      {
        name: 'events that clients saw and Redis lost',
        value: retracted,
        unit: '',
        limit: { atLeast: vanishing.length },
      },
      { name: 'channels that lost some', value: PROPERTIES, unit: '' },
      {
        name: 'RESYNC with STATE got by clients',
        value: findings.counts.get('gaps signalled by RESYNC') ?? 0,
        unit: '',
        limit: { atLeast: PROPERTIES * CLIENTS },
      },
      { name: 'appended again from the intake', value: kept.length, unit: '', limit: { atLeast: kept.length } },
      { name: 'lost with their intake entry', value: lostInFact, unit: '', limit: { atLeast: lost.length } },
      { name: 'replica promoted after', value: promotedAfter / 1_000, unit: 's' },
      { name: 'lost tail appended again after', value: appendedAfter / 1_000, unit: 's' },
      {
        name: 'all caught up after the load',
        value: (caughtUpAfter ?? Number.NaN) / 1_000,
        unit: 's',
        limit: { atMost: 60 },
      },
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

async function intakeLacks(node: TestRedis, ids: readonly string[]): Promise<number> {
  const connection = node.connect();
  let lacking = 0;
  for (const id of ids) {
    const rows = await connection.xrange(intakeKey('belfry'), id, id);
    if (rows.length === 0) lacking += 1;
  }
  connection.disconnect();
  return lacking;
}
