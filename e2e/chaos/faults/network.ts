/** Faults of the network: between our processes and Redis, between clients and gateways. */
import { execFile } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { Rules } from '../proxy/rules.js';
import type { Fault, World } from './fault.js';

const execute = promisify(execFile);

/** Destroys established connections to this port in the kernel, as an administrator or a stateful firewall would. */
async function killSockets(port: number): Promise<number> {
  const { stdout } = await execute('ss', ['-K', '-tn', 'state', 'established', `( dport = :${port} )`]);
  return stdout.trim().split('\n').length - 1;
}

async function withRules(world: World, route: string, rules: Partial<Rules>, ms: number): Promise<string> {
  world.cluster.proxy.rules(route, rules);
  await sleep(ms);
  world.cluster.proxy.heal(route);
  return `${route} for ${ms} ms`;
}

const toRedis = ({ cluster, random }: World): string => random.pick(cluster.redisRoutes);
const toGateway = ({ cluster, random }: World): string => random.pick(cluster.clientRoutes);
const PROXIED = ['standalone'] as const;

export const NETWORK_FAULTS: readonly Fault[] = [
  {
    kind: 'connections to Redis killed (ss -K)',
    weight: 5,
    lane: 'main',
    async run({ cluster }) {
      let killed = 0;
      for (const node of cluster.redis.nodes) killed += await killSockets(node.port);
      return `${killed} connections`;
    },
  },
  {
    kind: 'Redis far away (latency)',
    weight: 5,
    lane: 'main',
    redis: PROXIED,
    run: (world) =>
      withRules(world, toRedis(world), { latencyMs: world.random.integer(20, 400) }, world.random.integer(500, 4_000)),
  },
  {
    kind: 'Redis behind a narrow line (bandwidth, slices)',
    weight: 4,
    lane: 'main',
    redis: PROXIED,
    run: (world) =>
      withRules(
        world,
        toRedis(world),
        { bytesPerSecond: world.random.integer(20_000, 200_000), sliceBytes: world.random.integer(7, 900) },
        world.random.integer(500, 3_000),
      ),
  },
  {
    kind: 'Redis connections cut',
    weight: 6,
    lane: 'main',
    redis: PROXIED,
    async run(world) {
      const route = toRedis(world);
      world.cluster.proxy.cut(route);
      return route;
    },
  },
  {
    kind: 'Redis connections half-open',
    weight: 4,
    lane: 'main',
    redis: PROXIED,
    async run(world) {
      const route = toRedis(world);
      world.cluster.proxy.halfOpen(route);
      return route;
    },
  },
  {
    kind: 'node partitioned from Redis',
    weight: 5,
    lane: 'main',
    redis: PROXIED,
    async run(world) {
      const route = toRedis(world);
      world.cluster.proxy.rules(route, { refuse: true });
      world.cluster.proxy.halfOpen(route);
      const ms = world.random.integer(500, 8_000);
      await sleep(ms);
      world.cluster.proxy.cut(route);
      world.cluster.proxy.heal(route);
      return `${route} for ${ms} ms`;
    },
  },
  {
    kind: 'clients far away (latency)',
    weight: 4,
    lane: 'side',
    run: (world) =>
      withRules(
        world,
        toGateway(world),
        { latencyMs: world.random.integer(20, 300) },
        world.random.integer(1_000, 4_000),
      ),
  },
  {
    kind: 'clients cut by the network',
    weight: 5,
    lane: 'side',
    async run(world) {
      const route = toGateway(world);
      world.cluster.proxy.cut(route);
      return route;
    },
  },
  {
    kind: 'clients half-open',
    weight: 3,
    lane: 'side',
    async run(world) {
      const route = toGateway(world);
      world.cluster.proxy.halfOpen(route, 0.5);
      return route;
    },
  },
  {
    kind: 'connections of clients killed (ss -K)',
    weight: 3,
    lane: 'side',
    async run({ cluster, random }) {
      const gateway = random.pick(cluster.gateways);
      return `${await killSockets(gateway.port)} connections of ${gateway.name}`;
    },
  },
];
