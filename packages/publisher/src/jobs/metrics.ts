/** What operators see of the queues: how much waits, for how long, what failed or stalled. Read from Redis at a scrape. */
import { Counter, Gauge, Histogram, type Logger, type Registry } from '@belfry/shared/service';

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

export function createJobMetrics(registry: Registry, logger: Logger, now: () => number): JobMetrics {
  const registers = [registry];
  const queues = new Map<string, CountedQueue>();
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
  /** A scrape shows the other metrics also while Redis is away. */
  async function each(count: (name: string, queue: CountedQueue) => Promise<void>): Promise<void> {
    for (const [name, queue] of queues) {
      await count(name, queue).catch((err: unknown) =>
        logger.debug({ err, queue: name }, 'queue could not be counted'),
      );
    }
  }
  new Gauge({
    name: 'belfry_jobs',
    help: 'Jobs in Redis, of all processes, by state',
    labelNames: ['queue', 'state'],
    registers,
    collect() {
      return each(async (name, queue) => {
        const counts = await queue.getJobCounts(...STATES);
        for (const state of STATES) this.set({ queue: name, state }, counts[state] ?? 0);
      });
    },
  });
  new Gauge({
    name: 'belfry_jobs_oldest_age_seconds',
    help: 'How long the longest waiting job has waited; 0 when none waits',
    labelNames: ['queue'],
    registers,
    collect() {
      return each(async (name, queue) => {
        const since = await queue.oldestWaiting();
        this.set({ queue: name }, since === undefined ? 0 : Math.max(0, now() - since) / 1_000);
      });
    },
  });

  return {
    watch(name, queue) {
      queues.set(name, queue);
      return () => void queues.delete(name);
    },
    finished: (queue, result, seconds) => duration.observe({ queue, result }, seconds),
    stalled: (queue) => stalled.inc({ queue }),
  };
}
