/**
 * A queue's schedules. BullMQ has them in Redis alone, which may come back without them: nothing would run then until some
 * process starts anew. So each process that asked for one looks after it.
 */
import { type Logger, systemClock } from '@belfry/shared/service';
import type { Queue } from 'bullmq';

export interface Schedules {
  /** Writes one, and again whenever Redis has forgotten it. */
  add(id: string, write: () => Promise<void>): Promise<void>;
  /** Ends those that `keep` refuses, whoever asked for them. */
  end(keep: (id: string) => boolean): Promise<void>;
  /** Writes now what is gone. Where Redis is away, that is done once it is back. */
  look(): void;
  close(): void;
}

export interface SchedulesOptions {
  readonly queue: Pick<Queue, 'name' | 'getJobSchedulers' | 'removeJobScheduler'>;
  /** Milliseconds between two looks. Default 30,000. */
  readonly lookMs?: number | undefined;
  readonly logger: Logger;
  readonly onFailed: (error: Error) => void;
}

export function createSchedules(options: SchedulesOptions): Schedules {
  const { queue, lookMs = 30_000, logger } = options;
  const asked = new Map<string, () => Promise<void>>();
  let looking = false;
  let closed = false;

  async function writeMissing(): Promise<void> {
    const there = new Set((await queue.getJobSchedulers()).map(({ key }) => key));
    for (const [id, write] of asked) {
      // Only what is gone: a newer process may have given another interval to what is there.
      if (there.has(id) || closed) continue;
      logger.warn({ queue: queue.name, schedule: id }, 'Redis has lost a schedule; it is written again');
      await write();
    }
  }

  function look(): void {
    // Without Redis a look lasts as long as its absence, and more of them would pile up.
    if (looking || closed || asked.size === 0) return;
    looking = true;
    void writeMissing()
      .catch((error: Error) => {
        if (!closed) options.onFailed(error);
      })
      .finally(() => {
        looking = false;
      });
  }

  const stop = systemClock.every(lookMs, look);
  return {
    async add(id, write) {
      await write();
      asked.set(id, write);
    },
    async end(keep) {
      for (const id of asked.keys()) if (!keep(id)) asked.delete(id);
      for (const { key } of await queue.getJobSchedulers()) if (key && !keep(key)) await queue.removeJobScheduler(key);
    },
    look,
    close() {
      closed = true;
      stop();
    },
  };
}
