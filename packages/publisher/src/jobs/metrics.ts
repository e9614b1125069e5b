/** What operators see of the queues: how much waits, for how long, what failed or stalled. Read from Redis at a scrape. */
import { type Clock, Counter, Gauge, Histogram, type Logger, type Registry } from '@belfry/shared/service';

/** What is asked of a queue; BullMQ's Queue has more. */
export interface CountedQueue {
  getJobCounts(...states: ('waiting' | 'active' | 'delayed' | 'failed')[]): Promise<Record<string, number>>;
  /** Milliseconds since 1970 at which the longest waiting job came; undefined when none waits. */
  oldestWaiting(): Promise<number | undefined>;
}

export interface JobMetrics {
  /** Adds a queue; returns its disposer. */
  watch(name: string, queue: CountedQueue): () => void;
  finished(queue: string, result: 'completed' | 'failed', seconds: number): void;
  stalled(queue: string): void;
}

const STATES = ['waiting', 'active', 'delayed', 'failed'] as const;
/** How long a scrape waits for Redis. By default Prometheus gives up after 10 s, and has nothing of the process then. */
const COUNT_MS = 2_000;

interface Watched {
  readonly queue: CountedQueue;
  /** Whether a question has not been answered yet, perhaps one of an earlier scrape. */
  asked: boolean;
}

interface Counts {
  readonly states: Record<string, number>;
  readonly oldestAgeSeconds: number;
}

export function createJobMetrics(registry: Registry, logger: Logger, clock: Pick<Clock, 'now' | 'after'>): JobMetrics {
  const registers = [registry];
  const queues = new Map<string, Watched>();
  const duration = new Histogram({
    name: 'belfry_job_duration_seconds',
    help: 'Jobs of this process, by outcome; one that is repeated counts each time',
    labelNames: ['queue', 'result'],
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 60, 300],
    registers,
  });
  const stalled = new Counter({
    name: 'belfry_jobs_stalled_total',
    help: 'Jobs whose process was gone or stuck, and that were given to another one',
    labelNames: ['queue'],
    registers,
  });

  async function ask(queue: CountedQueue): Promise<Counts> {
    const [states, since] = await Promise.all([queue.getJobCounts(...STATES), queue.oldestWaiting()]);
    return { states, oldestAgeSeconds: since === undefined ? 0 : Math.max(0, clock.now() - since) / 1_000 };
  }

  /** Resolves to undefined where Redis does not tell in time. */
  function count(name: string, watched: Watched): Promise<Counts | undefined> {
    // Workers' connections wait for Redis without limit: questions would pile up, and be answered with what was true then.
    if (watched.asked) return Promise.resolve(undefined);
    watched.asked = true;
    return new Promise((resolve) => {
      const unknown = (err?: unknown): void => {
        logger.debug({ err, queue: name }, 'queue could not be counted');
        resolve(undefined);
      };
      const stop = clock.after(COUNT_MS, unknown);
      void ask(watched.queue)
        .then(resolve, unknown)
        .finally(() => {
          stop();
          watched.asked = false;
        });
    });
  }

  let counting: Promise<(readonly [queue: string, Counts | undefined])[]> | undefined;
  /** Once for all metrics of a scrape, which are collected side by side. */
  function countAll(): NonNullable<typeof counting> {
    counting ??= Promise.all(
      [...queues].map(async ([name, watched]) => [name, await count(name, watched)] as const),
    ).finally(() => {
      counting = undefined;
    });
    return counting;
  }

  new Gauge({
    name: 'belfry_jobs_counted',
    help: `1 where Redis told how many jobs there are; 0 where it did not within ${COUNT_MS / 1_000} s, and they are left out`,
    labelNames: ['queue'],
    registers,
    async collect() {
      const counted = await countAll();
      this.reset();
      for (const [queue, counts] of counted) this.set({ queue }, counts ? 1 : 0);
    },
  });
  // Emptied each time: a count from before an absence would be taken for one of now.
  new Gauge({
    name: 'belfry_jobs',
    help: 'Jobs in Redis, of all processes, by state; left out while they are unknown',
    labelNames: ['queue', 'state'],
    registers,
    async collect() {
      const counted = await countAll();
      this.reset();
      for (const [queue, counts] of counted) {
        if (counts) for (const state of STATES) this.set({ queue, state }, counts.states[state] ?? 0);
      }
    },
  });
  new Gauge({
    name: 'belfry_jobs_oldest_age_seconds',
    help: 'How long the longest waiting job has waited; 0 when none waits; left out while it is unknown',
    labelNames: ['queue'],
    registers,
    async collect() {
      const counted = await countAll();
      this.reset();
      for (const [queue, counts] of counted) if (counts) this.set({ queue }, counts.oldestAgeSeconds);
    },
  });

  return {
    watch(name, queue) {
      queues.set(name, { queue, asked: false });
      return () => void queues.delete(name);
    },
    finished: (queue, result, seconds) => duration.observe({ queue, result }, seconds),
    stalled: (queue) => stalled.inc({ queue }),
  };
}
