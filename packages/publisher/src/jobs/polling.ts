/**
 * The jobs that poll sources: one schedule per violation type, spread over the interval, and a job at once for properties
 * that are newly watched. Which publisher takes a job does not matter.
 */
import type { Logger } from '@belfry/shared/service';
import { DelayedError } from 'bullmq';
import type { JobConnection } from './connection.js';
import type { JobMetrics } from './metrics.js';
import { createJobQueue, type JobQueue } from './queue.js';

export interface PollJob {
  readonly violationType: string;
}

/** What does the work. `busy` when another process is at it. */
export interface PollWork {
  readonly violationTypes: readonly string[];
  poll(violationType: string): Promise<'done' | 'busy'>;
  load(violationType: string): Promise<'done' | 'busy'>;
}

export interface PollingOptions {
  readonly work: PollWork;
  readonly prefix: string;
  readonly connect: () => JobConnection;
  readonly everyMs: number;
  readonly metrics: JobMetrics;
  readonly logger: Logger;
}

export interface Polling {
  readonly jobs: JobQueue<PollJob>;
  /** Has the new properties of every type read at once. */
  load(): Promise<void>;
  /** Waits for the polls that run. */
  close(): Promise<void>;
}

const QUEUE_NAME = 'sources';
/** How soon what found the type taken tries again. */
const BUSY_MS = 3_000;
/** A poll that runs meanwhile takes seconds, and reads new properties itself before it ends. */
const LOAD_ATTEMPTS = { attempts: 20, backoff: { type: 'fixed', delay: BUSY_MS } } as const;
const SECOND = 1_000;

/** @throws when Redis is away; nothing is left running then */
export async function startPolling(options: PollingOptions): Promise<Polling> {
  const { work, everyMs, logger } = options;
  const types = work.violationTypes;
  const jobs = createJobQueue<PollJob>({
    ...options,
    name: QUEUE_NAME,
    // Every type may poll while another one loads.
    concurrency: Math.max(2, types.length * 2),
    async run(job) {
      const { violationType } = job.data;
      if (!types.includes(violationType)) return;
      if (job.name === 'poll') {
        if ((await work.poll(violationType)) === 'done') return;
        // It may be taken by loads of which each waits for a city that fails: its turn is not to pass by them.
        if (Date.now() >= job.timestamp + (job.opts.delay ?? 0) + everyMs) {
          logger.warn(
            { violationType },
            'no poll for a whole interval: another reading of the same type has not ended',
          );
          return;
        }
        await job.moveToDelayed(Date.now() + BUSY_MS, job.token);
        throw new DelayedError();
      }
      if ((await work.load(violationType)) === 'busy') throw new Error('a poll is running; trying again');
    },
  });
  try {
    await schedule(jobs, types, everyMs);
  } catch (error) {
    await jobs.close();
    throw error;
  }
  return {
    jobs,
    async load() {
      for (const violationType of types) await jobs.add('load', { violationType }, LOAD_ATTEMPTS);
    },
    close: () => jobs.close(),
  };
}

async function schedule(jobs: JobQueue<PollJob>, types: readonly string[], everyMs: number): Promise<void> {
  await jobs.unschedule((id) => types.some((type) => id === scheduleId(type)));
  for (const [index, violationType] of types.entries()) {
    const offset = Math.floor((index * everyMs) / types.length);
    await jobs.schedule(scheduleId(violationType), everyMs, () => Math.max(SECOND, offset), 'poll', { violationType });
  }
}

const scheduleId = (violationType: string): string => `poll-${violationType}`;
