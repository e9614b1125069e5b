/** Faults of our own processes: killed, frozen, told to go. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Node } from '../cluster/node.js';
import type { Fault, World } from './fault.js';

/** One that is up, so that two faults of one node do not get in each other's way. */
function pickUp(nodes: readonly Node[], { random }: World): Node {
  const up = nodes.filter(({ state }) => state === 'up');
  return random.pick(up.length > 0 ? up : nodes);
}

async function killAndReplace(node: Node, downMs: number): Promise<string> {
  await node.kill();
  await sleep(downMs);
  await node.start();
  return `${node.name}, down for ${downMs} ms`;
}

async function freezeAndThaw(node: Node, ms: number): Promise<string> {
  node.freeze();
  await sleep(ms);
  node.thaw();
  return `${node.name} for ${ms} ms`;
}

async function drainAndReplace(node: Node): Promise<string> {
  const started = performance.now();
  await node.drain();
  const took = performance.now() - started;
  await node.start();
  return `${node.name}, gone after ${Math.round(took)} ms`;
}

export const PROCESS_FAULTS: readonly Fault[] = [
  {
    kind: 'gateway killed (-9)',
    weight: 10,
    lane: 'main',
    run: (world) => killAndReplace(pickUp(world.cluster.gateways, world), world.random.integer(0, 2_000)),
  },
  {
    kind: 'gateway drained (SIGTERM)',
    weight: 5,
    lane: 'main',
    run: (world) => drainAndReplace(pickUp(world.cluster.gateways, world)),
  },
  {
    kind: 'gateway frozen (SIGSTOP)',
    weight: 6,
    lane: 'main',
    run: (world) => freezeAndThaw(pickUp(world.cluster.gateways, world), world.random.integer(300, 6_000)),
  },
  {
    kind: 'publisher killed (-9)',
    weight: 10,
    lane: 'main',
    run: (world) => killAndReplace(pickUp(world.cluster.publishers, world), world.random.integer(0, 3_000)),
  },
  {
    kind: 'publisher drained (SIGTERM)',
    weight: 4,
    lane: 'main',
    run: (world) => drainAndReplace(pickUp(world.cluster.publishers, world)),
  },
  {
    kind: 'publisher frozen (SIGSTOP)',
    weight: 5,
    lane: 'main',
    // Up to beyond its leases: it wakes up and others have its shares.
    run: (world) => freezeAndThaw(pickUp(world.cluster.publishers, world), world.random.integer(300, 7_000)),
  },
  {
    kind: 'all gateways killed (-9)',
    weight: 1,
    lane: 'main',
    async run({ cluster }) {
      await Promise.all(cluster.gateways.map((gateway) => gateway.kill()));
      await Promise.all(cluster.gateways.map((gateway) => gateway.start()));
      return 'every one of them';
    },
  },
];
