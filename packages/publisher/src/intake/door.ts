/**
 * The door to the intake stream, for everything that comes in through this process: HTTP and sources. What it has
 * returned an id for is in Redis.
 */
import { type Connection, intakeKey } from '@belfry/shared/log';
import { type Clock, RedisUnavailable, redisTrouble } from '@belfry/shared/service';
import type { Change } from '../changes/change.js';
import type { ServiceEvent } from '../changes/service-event.js';
import type { IntakeFloor, NewEntry } from './floor.js';
import { withIntakeScripts } from './scripts.js';

/** Something to report, already checked. `key` is an idempotency key: a repetition with the same one has no effect. */
export type Report =
  | { readonly change: Change; readonly key?: string | undefined }
  | { readonly event: ServiceEvent; readonly key?: string | undefined };

export interface IntakeDoor {
  /**
   * Writes the reports in their order. Resolves with their intake ids once Redis, and as many replicas as configured,
   * hold all of them. On an error some may be in Redis all the same: who repeats them uses keys.
   * @throws IntakeUnavailable
   */
  accept(reports: readonly Report[]): Promise<readonly string[]>;
}

/** Redis is away, full, or without enough replicas. Repeat later. */
export class IntakeUnavailable extends RedisUnavailable {
  readonly code = 'INTAKE_UNAVAILABLE';
}

export interface IntakeDoorOptions {
  /** One that sends nothing twice by itself: `resend: false`. */
  readonly connection: Connection;
  readonly prefix: string;
  /** The same for the intake and its door. */
  readonly floor: Pick<IntakeFloor, 'add'>;
  readonly clock: Clock;
  /** How long to wait for a connection to Redis. */
  readonly waitMs: number;
  /** Replicas that must hold the reports, and how long to wait for them; 0 asks for none. */
  readonly replicas: number;
  readonly replicasMs: number;
}

/** One call with as many keeps Redis busy for about a millisecond. */
const REPORTS_PER_CALL = 500;
const READY_POLL_MS = 20;

export function createIntakeDoor(options: IntakeDoorOptions): IntakeDoor {
  const { clock, connection, floor } = options;
  const commands = withIntakeScripts(connection);
  const stream = intakeKey(options.prefix);

  /** Nothing is left to ioredis' queue: a command in it may still be sent after its caller was told that it failed. */
  async function connected(): Promise<void> {
    const deadline = clock.now() + options.waitMs;
    while (connection.status !== 'ready') {
      if (clock.now() >= deadline) throw new IntakeUnavailable('Redis is not connected');
      await new Promise<void>((resolve) => {
        clock.after(READY_POLL_MS, resolve);
      });
    }
  }

  async function replicated(): Promise<void> {
    if (options.replicas === 0) return;
    // In a pipeline with the stream's key, so that a Cluster asks the master that holds it.
    const pipeline = connection.pipeline().exists(stream);
    pipeline.wait(options.replicas, options.replicasMs);
    const [asked, waited] = (await pipeline.exec()) ?? [];
    // Where the stream has gone to another master, it was not that one's replicas that were waited for.
    const error = asked?.[0] ?? waited?.[0];
    if (error) throw error;
    const count = waited?.[1];
    if (Number(count) < options.replicas) {
      throw new IntakeUnavailable(`${count} of ${options.replicas} replicas hold it after ${options.replicasMs} ms`);
    }
  }

  return {
    async accept(reports) {
      await connected();
      try {
        const ids: string[] = [];
        for (let start = 0; start < reports.length; start += REPORTS_PER_CALL) {
          const entries = reports.slice(start, start + REPORTS_PER_CALL).map(entryOf);
          ids.push(...(await floor.add(commands, entries)));
        }
        await replicated();
        return ids;
      } catch (cause) {
        if (cause instanceof IntakeUnavailable) throw cause;
        // What Redis itself replies says what to do; what its client's library says of a silence does not.
        const why = redisTrouble(cause) === 'away' ? 'Redis does not answer' : (cause as Error).message;
        throw new IntakeUnavailable(`Redis has not confirmed it: ${why}`, { cause });
      }
    },
  };
}

const entryOf = (report: Report): NewEntry =>
  'change' in report
    ? ['change', JSON.stringify(report.change), report.key ?? '']
    : ['event', JSON.stringify(report.event), report.key ?? ''];
