/**
 * A queue and its worker on BullMQ, with the bounds that every queue here has: finished jobs are kept for a while and in
 * limited number, a job whose process died is given to another one, and closing waits for the jobs that run.
 */
import { type Logger, systemClock } from '@belfry/shared/service';
import { DelayedError, type Job, type JobsOptions, Queue, Worker } from 'bullmq';
import type { JobConnection } from './connection.js';
import type { JobMetrics } from './metrics.js';
import { createSchedules } from './schedules.js';
import { createQueueTroubles } from './troubles.js';

export interface JobQueue<Data> {
  /** For Bull Board and the like. */
  readonly queue: Queue<Data, void, string, Data, void, string>;
  add(
    name: string,
    data: Data,
    options?: Pick<JobsOptions, 'attempts' | 'backoff' | 'delay' | 'priority' | 'jobId'>,
  ): Promise<void>;
  /**
   * Runs a job every `everyMs`, for the first time `firstAfterMs` from now, which is asked again where Redis has forgotten
   * the schedule. Any process may say so again: one schedule exists per `id`. A job that fails waits for its next turn,
   * unless `retries` say otherwise.
   */
  schedule(
    id: string,
    everyMs: number,
    firstAfterMs: () => number,
    name: string,
    data: Data,
    retries?: Retries,
  ): Promise<void>;
  /** Ends the schedules that `keep` refuses, such as those of an earlier configuration. */
  unschedule(keep: (id: string) => boolean): Promise<void>;
  /** Takes no more jobs, waits for those that run, closes the connections. Takes at most some seconds. */
  close(): Promise<void>;
}

export interface Retries {
  /** With the first one. */
  readonly attempts: number;
  /** Milliseconds before the second attempt; the pause doubles with each. */
  readonly firstRetryMs: number;
}

export interface JobQueueOptions<Data> {
  readonly name: string;
  /** Of every key. Becomes a hash tag, so that a queue's keys share a slot on a Cluster. */
  readonly prefix: string;
  /** A connection as from `connectForJobs`; closed by `close`. */
  readonly connect: () => JobConnection;
  readonly run: (job: Job<Data>) => Promise<void>;
  /** Jobs at a time in this process. */
  readonly concurrency: number;
  /**
   * How long completed jobs are kept (seconds) and how many at most: one that is kept makes another one of its id change
   * nothing. Default: an hour, 1,000.
   */
  readonly keepCompleted?: { readonly age: number; readonly count: number };
  readonly metrics: JobMetrics;
  readonly logger: Logger;
  /** Milliseconds that only grow. Default performance.now. */
  readonly steadyMs?: () => number;
  /** Milliseconds between two looks whether Redis still has the schedules. Default 30,000. */
  readonly lookMs?: number;
  /** How often a job may lose its process before it fails. Default 3. */
  readonly maxStalled?: number;
  /** A job is among the failed ones now, whatever was the reason: if it lost its process too often `run` was not asked. */
  readonly onGivenUp?: (job: Job<Data>, error: Error) => void;
}

/** One hash tag for every queue: BullMQ's keys have to share a slot on a Cluster. */
export const jobsPrefix = (prefix: string): string => `{${prefix}:jobs}`;

const KEEP_COMPLETED = { age: 3_600, count: 1_000 };
const KEEP_FAILED = { age: 7 * 86_400, count: 1_000 };
/** How long closing waits for running jobs and for Redis; what is cut off is given to another process as stalled. */
const CLOSE_MS = 8_000;
/** A job is stalled when its lock was not renewed for that long; BullMQ renews at half of it. */
const LOCK_MS = 30_000;
/** Over the life of a job: one that stalls more often ends its process, probably. */
const MAX_STALLED = 3;

export function createJobQueue<Data>(options: JobQueueOptions<Data>): JobQueue<Data> {
  const { keepCompleted = KEEP_COMPLETED, name, metrics, logger } = options;
  const prefix = jobsPrefix(options.prefix);
  const connections = [options.connect(), options.connect()] as const;
  const isConnected = (): boolean => connections.every(({ status }) => status === 'ready');
  const troubles = createQueueTroubles({ queue: name, isConnected, logger, steadyMs: options.steadyMs });
  for (const connection of connections) connection.on('ready', () => troubles.ready('ours'));
  const defaultJobOptions = { removeOnComplete: keepCompleted, removeOnFail: KEEP_FAILED };
  const queue = new Queue<Data, void, string, Data, void, string>(name, {
    connection: connections[0],
    prefix,
    defaultJobOptions,
  });
  const worker = new Worker<Data>(name, (job) => timed(job), {
    connection: connections[1],
    prefix,
    concurrency: options.concurrency,
    lockDuration: LOCK_MS,
    maxStalledCount: options.maxStalled ?? MAX_STALLED,
    removeOnComplete: keepCompleted,
    removeOnFail: KEEP_FAILED,
  });

  async function timed(job: Job<Data>): Promise<void> {
    const started = performance.now();
    const finished = (result: 'completed' | 'failed'): void =>
      metrics.finished(name, result, (performance.now() - started) / 1_000);
    try {
      await options.run(job);
      finished('completed');
    } catch (error) {
      // Put off by the job itself: neither done nor failed.
      if (!(error instanceof DelayedError)) finished('failed');
      throw error;
    }
  }

  queue.on('error', troubles.failed);
  worker.on('error', troubles.failed);
  // Not the worker's event of that name, which comes once: the one that it waits for jobs with.
  worker.backend.on('ready', () => troubles.ready('of BullMQ'));
  worker.on('stalled', (id) => {
    metrics.stalled(name);
    logger.warn({ queue: name, job: id }, 'job stalled');
  });
  worker.on('failed', (job, error) => {
    // It will be tried again.
    if (!job?.finishedOn) return;
    // BullMQ fails such a job when a worker takes it, and asks nobody.
    if (job.deferredFailure) {
      logger.warn({ queue: name, job: job.id, reason: error.message }, 'job stalled too often and is given up');
    }
    options.onGivenUp?.(job, error);
  });
  const schedules = createSchedules({ queue, lookMs: options.lookMs, logger, onFailed: troubles.failed });
  connections[0].on('ready', schedules.look);
  const unwatch = metrics.watch(name, {
    getJobCounts: (...states) => queue.getJobCounts(...states),
    oldestWaiting: async () => (await queue.getJobs(['waiting'], 0, 0, true))[0]?.timestamp,
  });

  return {
    queue,
    async add(jobName, data, jobOptions) {
      await queue.add(jobName, data, jobOptions);
    },
    async schedule(id, everyMs, firstAfterMs, jobName, data, retries) {
      const opts = { ...defaultJobOptions, ...(retries && retrying(retries)) };
      await schedules.add(id, async () => {
        const repeat = { every: everyMs, startDate: Date.now() + firstAfterMs() };
        await queue.upsertJobScheduler(id, repeat, { name: jobName as never, data: data as never, opts });
      });
    },
    unschedule: schedules.end,
    async close() {
      schedules.close();
      unwatch();
      const orderly = worker.close().then(() => queue.close());
      // Without Redis there is nothing to wait for: running jobs are given to another process as stalled.
      const reachable = isConnected();
      await Promise.race([
        orderly.catch(troubles.failed),
        new Promise<void>((resolve) => systemClock.after(reachable ? CLOSE_MS : 0, resolve)),
      ]);
      // Without Redis nothing would ever end in order: commands wait for it to come back.
      for (const connection of connections) connection.disconnect();
    },
  };
}

const retrying = ({ attempts, firstRetryMs }: Retries): JobsOptions => ({
  attempts,
  backoff: { type: 'exponential', delay: firstRetryMs },
});
