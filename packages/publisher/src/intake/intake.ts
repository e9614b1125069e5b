/** The intake of one publisher, put together: shares, checkpoints, worker, dead letters, trimming. */
import { type Connection, type LogWriter, readGenerations } from '@belfry/shared/log';
import type { Clock, Logger } from '@belfry/shared/service';
import { withLeaseScripts } from '../leases/scripts.js';
import { createShares } from '../leases/shares.js';
import { createCheckpoints } from './checkpoints.js';
import { createDeadLetters } from './dead-letters.js';
import type { IntakeFloor } from './floor.js';
import { intakeKeys } from './keys.js';
import { createIntakeReader } from './reader.js';
import { withIntakeScripts } from './scripts.js';
import { trimIntake } from './trim.js';
import { type ShareLag, startWorker, type WorkerEvents } from './worker.js';

export interface IntakeEvents extends WorkerEvents {
  readonly onDead: (entryId: string, reason: string) => void;
  readonly onTrimmed: (entries: number) => void;
  /** The intake in Redis is cut into another number of shares: nothing can be done here. */
  readonly onMisfit: (actual: number) => void;
}

export interface IntakeOptions {
  /** For commands. */
  readonly connection: Connection;
  /** For waiting in XREAD, and nothing else. */
  readonly readerConnection: Connection;
  readonly log: LogWriter;
  readonly prefix: string;
  /** The same for the intake and its door. */
  readonly floor: IntakeFloor;
  /** Unique among all publishers. */
  readonly name: string;
  readonly shares: number;
  readonly leaseMs: number;
  readonly batchSize: number;
  /** Items of one channel that are worked on at once; what its log holds, at most. */
  readonly batchSizePerChannel: number;
  readonly rewindMs: number;
  readonly retentionMs: number;
  readonly maxEntries: number;
  readonly maxDeadLetters: number;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly events: IntakeEvents;
}

export interface Intake {
  lag(): readonly ShareLag[];
  /**
   * Finishes the batches in hand, writes the checkpoints, gives back the shares. While Redis is away it gives all of that
   * up, and closes the connection.
   */
  stop(): Promise<void>;
}

const TRIM_MS = 10_000;

export function startIntake(options: IntakeOptions): Intake {
  const { clock, events, logger } = options;
  const keys = intakeKeys(options.prefix);
  const commands = withLeaseScripts(withIntakeScripts(options.connection));
  const checkpoints = createCheckpoints({ ...options, commands, keys });
  const shares = createShares({
    ...options,
    commands,
    keys,
    onChange: () => worker.sharesChanged(),
    onMisfit: events.onMisfit,
  });
  const deadLetters = createDeadLetters({
    connection: commands,
    key: keys.dead,
    max: options.maxDeadLetters,
    onAdded: ({ id }, reason) => events.onDead(id, reason),
    onLost: ({ fields, id }, reason) => {
      events.onDead(id, reason);
      logger.error(
        { entry: id, fields, reason, key: keys.dead },
        'a dead letter is kept here only: its key is not ours',
      );
    },
  });
  const worker = startWorker({
    log: options.log,
    reader: createIntakeReader(withIntakeScripts(options.readerConnection), keys.stream),
    shares,
    shareCount: options.shares,
    checkpoints,
    floor: { reached: options.floor.reached, keep: () => options.floor.keep(commands) },
    deadLetters,
    readGenerations: () => readGenerations(commands),
    connected: () => commands.status === 'ready',
    batchSize: options.batchSize,
    batchSizePerChannel: options.batchSizePerChannel,
    clock,
    logger,
    events,
  });

  async function trim(): Promise<void> {
    if (!shares.held().has(0)) return;
    const { maxEntries, retentionMs, rewindMs } = options;
    const { stream } = keys;
    events.onTrimmed(
      await trimIntake({ connection: commands, stream, checkpoints, retentionMs, rewindMs, maxEntries, clock }),
    );
  }
  const stopTrimming = clock.every(TRIM_MS, () => {
    trim().catch((error: unknown) => logger.debug({ err: error }, 'the intake was not trimmed; trying again'));
  });

  return {
    lag: worker.lag,
    async stop() {
      stopTrimming();
      const stopped = worker.stop();
      // What waits for Redis to come back would keep us waiting, too.
      if (commands.status !== 'ready') commands.disconnect();
      await stopped;
    },
  };
}
