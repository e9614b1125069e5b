/** Operators look into the queues: what waits, what failed and why; and have failed jobs tried again. */
import type { Connection } from '@belfry/shared/log';
import { type Logger, numberIn, OperatorError, type OperatorRoute } from '@belfry/shared/service';
import { type Job, Queue } from 'bullmq';
import { jobsPrefix } from '../jobs/queue.js';
import { createQueueTroubles, type QueueTroubles } from '../jobs/troubles.js';

/** Every queue that a publisher works on. */
const QUEUE_NAMES = ['sources', 'deliveries', 'digests'] as const;

export interface JobRoutes {
  readonly routes: readonly OperatorRoute[];
  /** Opened now where they were not before. */
  queues(): readonly Queue[];
  close(): Promise<void>;
}

const STATES = ['waiting', 'active', 'delayed', 'failed', 'completed'] as const;

/**
 * Before its first command a queue would wait for Redis without limit, then ask its version, and be of no use ever after
 * where that fails. And whoever only looks has nothing to write.
 */
const UNPREPARED = { skipWaitingForReady: true, skipVersionCheck: true, skipMetasUpdate: true } as const;

export function createJobRoutes(options: {
  /** A connection whose commands have a time limit; closed by `close`. */
  readonly connect: () => Connection;
  readonly prefix: string;
  readonly logger: Logger;
}): JobRoutes {
  let opened: { readonly connection: Connection; readonly troubles: QueueTroubles } | undefined;
  const queues = new Map<string, Queue>();

  /** One for all queues, which tell of it by one voice. */
  function open() {
    const connection = options.connect();
    const troubles = createQueueTroubles({
      queue: 'operators',
      isConnected: () => connection.status === 'ready',
      logger: options.logger,
    });
    connection.on('ready', () => troubles.ready('ours'));
    return { connection, troubles };
  }

  /** Opened when somebody asks: most publishers are never looked into. */
  function queueNamed(name: string): Queue {
    if (!(QUEUE_NAMES as readonly string[]).includes(name)) {
      throw new OperatorError(404, 'not_found', `there is no queue ${name}; there are ${QUEUE_NAMES.join(', ')}`);
    }
    const known = queues.get(name);
    if (known) return known;
    opened ??= open();
    const queue = new Queue(name, { ...UNPREPARED, connection: opened.connection, prefix: jobsPrefix(options.prefix) });
    // Without a listener BullMQ writes them to the console.
    queue.on('error', opened.troubles.failed);
    queues.set(name, queue);
    return queue;
  }

  const summary = (job: Job) => ({
    id: job.id,
    name: job.name,
    attempts: job.attemptsMade,
    reason: job.failedReason,
    created_at: job.timestamp / 1_000,
    data: job.data as unknown,
  });

  const routes: OperatorRoute[] = [
    {
      method: 'GET',
      path: '/jobs',
      text: 'The queues: how many jobs wait, run, are put off, have failed, are done',
      run: async () => ({
        queues: Object.fromEntries(
          await Promise.all(
            QUEUE_NAMES.map(async (name) => [name, await queueNamed(name).getJobCounts(...STATES)] as const),
          ),
        ),
      }),
    },
    {
      method: 'GET',
      path: '/jobs/{id}/failed',
      text: 'The failed jobs of a queue, newest first, with their reasons; `?limit=` 1 to 200 (50)',
      run: async ({ id, query }) => {
        const limit = numberIn(query.get('limit'), 'limit', { min: 1, max: 200, default: 50 });
        return { failed: (await queueNamed(id).getFailed(0, limit - 1)).map(summary) };
      },
    },
    {
      method: 'POST',
      path: '/jobs/{id}/retry',
      text: 'Has the failed jobs of a queue tried again; `{"count"}` at most, 100 by default',
      run: async ({ body, id }) => {
        const count = numberIn(body.count, 'count', { min: 1, max: 10_000, default: 100 });
        const failed = await queueNamed(id).getFailed(0, count - 1);
        await Promise.all(failed.map((job) => job.retry()));
        return { retried: failed.length };
      },
    },
  ];
  return {
    routes,
    queues: () => QUEUE_NAMES.map(queueNamed),
    async close() {
      await Promise.all([...queues.values()].map((queue) => queue.close()));
      opened?.connection.disconnect();
    },
  };
}
