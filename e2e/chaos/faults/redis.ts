/** Faults of Redis: gone, slow, forgetful. */
import { setTimeout as sleep } from 'node:timers/promises';
import { publishBulk } from './bulk.js';
import type { Fault, World } from './fault.js';
import { reportUnanswered } from './once.js';

/** What is told to every master; one that does not answer has another fault already. */
const tell = ({ cluster }: World, command: string, ...args: (string | number)[]): Promise<void> =>
  cluster.redis.onMasters((redis) => redis.call(command, ...args));

const BUFFERS = 'client-output-buffer-limit';
const BUFFERS_BEFORE = 'pubsub 33554432 8388608 60';
const BULK_EVENTS = 40;

/** Sets it on every master, and back after a while. */
async function withSetting(world: World, name: string, value: string, before: string, ms: number): Promise<string> {
  try {
    await tell(world, 'CONFIG', 'SET', name, value);
    await sleep(ms);
  } finally {
    await tell(world, 'CONFIG', 'SET', name, before);
  }
  return `${name} ${value} for ${ms} ms`;
}

/** Our own connections are named differently: they would only be in the way of the run's own reading. */
export const REDIS_FAULTS: readonly Fault[] = [
  {
    kind: 'Redis killed (-9), back with its data',
    weight: 6,
    lane: 'main',
    redis: ['standalone'],
    async run({ cluster, random }) {
      const downMs = random.integer(0, 3_000);
      await cluster.redis.crash(downMs);
      return `down for ${downMs} ms`;
    },
  },
  {
    kind: 'Redis master killed (-9), failover',
    weight: 12,
    lane: 'main',
    redis: ['sentinel', 'cluster'],
    async run({ cluster, lossy, random }) {
      const over = lossy('failover', false);
      try {
        await cluster.redis.crash(random.integer(0, 2_000));
      } finally {
        over();
      }
      return 'a replica took over';
    },
  },
  {
    kind: 'Redis back without its data',
    weight: 2,
    lane: 'main',
    redis: ['standalone'],
    async run({ cluster, lossy }) {
      const over = lossy('restart without data', true);
      try {
        await cluster.redis.lose(0);
      } finally {
        over();
      }
      return 'everything lost';
    },
  },
  {
    kind: 'Redis back with an older copy of its data',
    weight: 3,
    lane: 'main',
    redis: ['standalone'],
    async run({ cluster, lossy, random }) {
      const over = lossy('older copy', false);
      const ms = random.integer(500, 6_000);
      try {
        await cluster.redis.setBack?.(ms);
      } finally {
        over();
      }
      return `of ${ms} ms before`;
    },
  },
  {
    kind: 'Redis emptied (FLUSHALL)',
    weight: 1,
    lane: 'main',
    async run(world) {
      const over = world.lossy('FLUSHALL', true);
      try {
        await tell(world, 'FLUSHALL');
      } finally {
        over();
      }
      return 'everything lost, under the same generation';
    },
  },
  {
    kind: 'Redis frozen (SIGSTOP)',
    weight: 6,
    lane: 'main',
    async run({ cluster, lossy, random }) {
      const node = await cluster.redis.master();
      const standalone = cluster.redis.kind === 'standalone';
      const ms = random.integer(200, standalone ? 7_000 : 5_000);
      // With replicas one may take over, and what the frozen one accepted last is lost.
      const over = standalone ? () => undefined : lossy('frozen master', false);
      node.freeze();
      await sleep(ms);
      node.thaw();
      if (!standalone) await sleep(2_000);
      over();
      return `for ${ms} ms`;
    },
  },
  {
    kind: 'CLIENT PAUSE',
    weight: 6,
    lane: 'main',
    async run(world) {
      const ms = world.random.integer(200, 4_000);
      const mode = world.random.pick(['ALL', 'WRITE']);
      await tell(world, 'CLIENT', 'PAUSE', ms, mode);
      await sleep(ms);
      return `${mode} for ${ms} ms`;
    },
  },
  {
    kind: 'CLIENT KILL TYPE pubsub',
    weight: 8,
    lane: 'main',
    async run(world) {
      const times = world.random.integer(1, 4);
      for (let n = 0; n < times; n += 1) {
        await tell(world, 'CLIENT', 'KILL', 'TYPE', 'pubsub');
        await sleep(world.random.integer(10, 300));
      }
      return `${times} times`;
    },
  },
  {
    kind: 'CLIENT KILL TYPE normal',
    weight: 6,
    lane: 'main',
    async run(world) {
      const times = world.random.integer(1, 3);
      for (let n = 0; n < times; n += 1) {
        await tell(world, 'CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        await sleep(world.random.integer(10, 300));
      }
      return `${times} times`;
    },
  },
  {
    kind: 'SCRIPT FLUSH',
    weight: 4,
    lane: 'main',
    async run(world) {
      await tell(world, 'SCRIPT', 'FLUSH');
      return 'scripts forgotten';
    },
  },
  {
    kind: 'Redis full (no memory for writes)',
    weight: 5,
    lane: 'main',
    run: (world) => withSetting(world, 'maxmemory', '1', '0', world.random.integer(200, 4_000)),
  },
  {
    kind: 'Redis takes no writes (too few replicas)',
    weight: 3,
    lane: 'main',
    run: (world) => withSetting(world, 'min-replicas-to-write', '3', '0', world.random.integer(200, 4_000)),
  },
  {
    kind: 'subscribers cut for what waits for them (output buffers)',
    weight: 5,
    lane: 'main',
    async run(world) {
      // Frames larger than a connection's own buffer wait in a list, for which there is no room: cut in the middle of one.
      const held = withSetting(world, BUFFERS, 'pubsub 1 1 1', BUFFERS_BEFORE, world.random.integer(500, 2_000));
      await Promise.all([held, publishBulk(world, BULK_EVENTS)]);
      return held;
    },
  },
  {
    kind: 'connections to Redis closed between a command and its answer',
    weight: 5,
    lane: 'main',
    run: reportUnanswered,
  },
];
