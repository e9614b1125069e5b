import { eventually, startCluster, type TestCluster, type TestRedis } from '@belfry/testkit';
import calculateSlot from 'cluster-key-slot';
import type { Cluster } from 'ioredis';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { channelNames, type LinkUnderTest, openLink, topicOf, unhandledDuring } from './link.test-support.js';

const CHANNELS = channelNames(600);
let cluster: TestCluster;
let subject: LinkUnderTest;

beforeAll(async () => {
  cluster = await startCluster();
  subject = openLink(`redis+cluster://${cluster.nodes.map(({ host, port }) => `${host}:${port}`).join(',')}`, 500);
  await Promise.all(CHANNELS.map((channel) => subject.link.subscribe(channel)));
}, 120_000);
afterAll(async () => {
  subject?.close();
  await cluster?.stop();
});

const isWhole = () => eventually('whole link', () => subject.link.whole);
const hearsEventually = () =>
  eventually('hearing on all channels', () => subject.hearsAll(CHANNELS, 500).then(() => true), { deadlineMs: 40_000 });

/** Moves the slots, keys and all, as an operator does. */
async function migrate(slots: readonly number[], from: TestRedis, to: TestRedis): Promise<void> {
  const [source, target] = [from.connect(), to.connect()];
  const [fromId, toId] = [String(await source.call('CLUSTER', 'MYID')), String(await target.call('CLUSTER', 'MYID'))];
  for (const slot of slots) {
    await target.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
    await source.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
    for (const node of [target, source]) await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
  }
}

async function slotsOf(master: TestRedis): Promise<number[]> {
  const ranges = await master.connect().cluster('SLOTS');
  const own = ranges.filter(([, , node]) => node?.[1] === master.port);
  return own.flatMap(([from, to]) => Array.from({ length: to - from + 1 }, (_, n) => from + n));
}

it('hears every channel, whichever master serves it', async () => {
  await subject.hearsAll(CHANNELS);
  await isWhole();
});

it('goes with slots that move to another master', async () => {
  const [channel] = CHANNELS as [string];
  const from = await cluster.masterOf(topicOf(channel));
  const to = cluster.nodes.slice(0, 3).find((node) => node !== from) as TestRedis;
  const moving = CHANNELS.map((name) => calculateSlot(topicOf(name)));
  const owned = new Set(await slotsOf(from));
  const slots = [...new Set(moving)].filter((slot) => owned.has(slot)).slice(0, 40);
  subject.synced.clear();
  const unhandled = await unhandledDuring(async () => {
    await migrate(slots, from, to);
    await hearsEventually();
  });
  expect(unhandled).toEqual([]);
  // What moved was out of hearing for a moment: the hub is told to compare it with the log.
  const moved = CHANNELS.filter((name) => slots.includes(calculateSlot(topicOf(name))));
  expect(moved.length).toBeGreaterThan(20);
  await eventually('checks of what moved', () => moved.every((name) => subject.synced.has(name)));
  await isWhole();
});

it('has what moved checked also where one of the channels was left meanwhile', async () => {
  const [, channel] = CHANNELS as [string, string];
  const from = await cluster.masterOf(topicOf(channel));
  const to = cluster.nodes.slice(0, 3).find((node) => node !== from) as TestRedis;
  const owned = new Set(await slotsOf(from));
  const moved = CHANNELS.filter((name) => owned.has(calculateSlot(topicOf(name)))).slice(0, 20);
  expect(moved).toHaveLength(20);
  const [left] = moved as [string];
  const commands = subject.commands as Cluster;
  const read = commands.cluster.bind(commands);
  let leaving = 0;
  // Right behind the turn in which the link learns of the move, and before Redis has answered it.
  const spy = vi.spyOn(commands, 'cluster').mockImplementation(async () => {
    const slots = await read('SLOTS');
    setImmediate(() => {
      leaving += 1;
      subject.link.unsubscribe(left);
    });
    return slots;
  });
  try {
    subject.synced.clear();
    await migrate(
      moved.map((name) => calculateSlot(topicOf(name))),
      from,
      to,
    );
    await eventually('checks of what moved', () => moved.slice(1).every((name) => subject.synced.has(name)));
    expect(leaving).toBeGreaterThan(0);
  } finally {
    spy.mockRestore();
    await subject.link.subscribe(left);
  }
});

it('hears a slot that was moved away and back before anybody looked', async () => {
  const [channel] = CHANNELS as [string];
  const from = await cluster.masterOf(topicOf(channel));
  const to = cluster.nodes.slice(0, 3).find((node) => node !== from) as TestRedis;
  const slots = [calculateSlot(topicOf(channel))];
  await hearsEventually();
  await migrate(slots, from, to);
  await migrate(slots, to, from);
  await hearsEventually();
});

it('stays whole when the slot of its own probe moves', async () => {
  const masters = cluster.nodes.slice(0, 3) as TestRedis[];
  const probesOf = async (node: TestRedis) =>
    (await node.connect().call('PUBSUB', 'SHARDCHANNELS', '*probe*')) as string[];
  // A line that a move before this one has cost its connection is about to make another.
  const [n, topic] = await eventually('a probe', async () => {
    const probes = await Promise.all(masters.map(probesOf));
    const found = probes.findIndex((topics) => topics.length > 0);
    return found !== -1 && ([found, String(probes[found]?.[0])] as const);
  });
  const from = masters[n] as TestRedis;
  await migrate([calculateSlot(topic)], from, masters[(n + 1) % 3] as TestRedis);
  const newProbe = async () => {
    const topics = await probesOf(from);
    return topics.length > 0 && !topics.includes(topic);
  };
  await eventually('a probe in another slot', newProbe);
  await isWhole();
  await hearsEventually();
});

it('survives connections that are cut on all masters', async () => {
  const unhandled = await unhandledDuring(async () => {
    for (let round = 0; round < 3; round += 1) {
      for (const node of cluster.nodes) await node.connect().call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await hearsEventually();
    }
  });
  expect(unhandled).toEqual([]);
});

it('goes on with the replica of a master that is killed', async () => {
  const [channel] = CHANNELS as [string];
  const former = await cluster.masterOf(topicOf(channel));
  const unhandled = await unhandledDuring(async () => {
    await former.kill();
    await cluster.failedOver(topicOf(channel), former);
    await hearsEventually();
  });
  expect(unhandled).toEqual([]);
  expect((subject.commands as Cluster).status).toBe('ready');
}, 120_000);
