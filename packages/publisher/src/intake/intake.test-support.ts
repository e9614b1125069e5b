/** A publisher's intake inside the test's own process, on a real Redis, with faults put in where a test wants them. */
import { connect, createRedisLog, type LogWriter, readGenerations } from '@belfry/shared/log';
import { createLogger, systemClock } from '@belfry/shared/service';
import { eventually, type TestRedis } from '@belfry/testkit';
import type { Redis } from 'ioredis';
import { type Audit, audit, type Counts, countsOfChannels, countsOfGlobal } from './audit.test-support.js';
import { createCheckpoints } from './checkpoints.js';
import { createDeadLetters } from './dead-letters.js';
import { createIntakeFloor } from './floor.js';
import { type Intake, type IntakeOptions, startIntake } from './intake.js';
import { intakeKeys } from './keys.js';
import { createIntakeReader, type IntakeReader } from './reader.js';
import { withIntakeScripts } from './scripts.js';
import { startWorker } from './worker.js';

export const SHARES = 4;
const KEPT_EVENTS = 100_000;

export interface TestIntake extends Intake {
  /** Has the next connection that reads the intake go to this Redis, and no connection go on. */
  readFrom(redis: TestRedis): void;
  readonly seen: {
    conflicts: number;
    retries: number;
    rewound: number;
    raised: number;
    events: number;
    readonly dead: { readonly id: string; readonly reason: string }[];
  };
}

export interface TestIntakeOptions {
  readonly url: string;
  /** Where the intake is read at first. Default: `url`. */
  readonly readerUrl?: string;
  /** Puts something between the worker and the log. */
  readonly faults?: (log: LogWriter) => LogWriter;
  /** Works on every share, whoever else does: a publisher that has not noticed that its lease is gone. */
  readonly zombie?: boolean;
  /** Whatever was lost of the intake, ids go on where Redis has them go on. */
  readonly floorless?: boolean;
  readonly batchSize?: number;
  readonly leaseMs?: number;
  readonly readGenerations?: () => Promise<readonly string[]>;
}

let started = 0;

export function startTestIntake(options: TestIntakeOptions): TestIntake {
  const { url } = options;
  const open = (name: string, url: string) =>
    connect({ url, name, resend: name !== 'reader', onError: () => undefined });
  const connection = open('commands', url);
  const readerConnection = open('reader', options.readerUrl ?? url);
  const retention = {
    maxEvents: KEPT_EVENTS,
    maxGlobalEvents: KEPT_EVENTS,
    logTtlSeconds: 7_200,
    snapshotTtlSeconds: 0,
    idempotencyTtlSeconds: 600,
  };
  const log = createRedisLog({ connection, prefix: 'belfry', retention });
  started += 1;
  const seen: TestIntake['seen'] = { conflicts: 0, retries: 0, rewound: 0, raised: 0, events: 0, dead: [] };
  const floor = createIntakeFloor({
    stream: intakeKeys('belfry').stream,
    logger: createLogger('test', 'silent'),
    onRaised: () => {
      seen.raised += 1;
    },
  });
  const settings: IntakeOptions = {
    floor: options.floorless ? { ...floor, keep: async () => undefined } : floor,
    connection,
    readerConnection,
    log: options.faults?.(log) ?? log,
    prefix: 'belfry',
    name: `test-${started}`,
    shares: SHARES,
    leaseMs: options.leaseMs ?? 600,
    batchSize: options.batchSize ?? 50,
    batchSizePerChannel: 50,
    rewindMs: 300_000,
    retentionMs: 3_600_000,
    maxEntries: 1_000_000,
    maxDeadLetters: 1_000,
    clock: systemClock,
    random: Math.random,
    logger: createLogger('test', process.env.TEST_LOG_LEVEL ?? 'silent'),
    events: {
      onAppended: (events) => {
        seen.events += events;
      },
      onBatch: () => undefined,
      onConflict: () => {
        seen.conflicts += 1;
      },
      onRetry: () => {
        seen.retries += 1;
      },
      onRewound: () => {
        seen.rewound += 1;
      },
      onTrimmed: () => undefined,
      onDead: (id, reason) => void seen.dead.push({ id, reason }),
      onMisfit: () => undefined,
    },
  };
  const intake = options.zombie || options.readGenerations ? startZombie(settings, options) : startIntake(settings);
  return {
    seen,
    lag: intake.lag,
    readFrom({ port }) {
      (readerConnection as Redis).options.port = port;
      readerConnection.disconnect(true);
    },
    async stop() {
      await intake.stop();
      connection.disconnect();
      readerConnection.disconnect();
    },
  };
}

function startZombie(settings: IntakeOptions, options: TestIntakeOptions): Intake {
  const keys = intakeKeys(settings.prefix);
  const commands = withIntakeScripts(settings.connection);
  const all = new Set(Array.from({ length: settings.shares }, (_, share) => share));
  const reader = createIntakeReader(withIntakeScripts(settings.readerConnection), keys.stream);
  return startWorker({
    ...settings,
    reader: options.readGenerations ? unaware(reader, options.readGenerations) : reader,
    shares: { held: () => all, surplus: () => new Set(), release: async () => undefined, close: async () => undefined },
    shareCount: settings.shares,
    connected: () => settings.connection.status === 'ready',
    checkpoints: createCheckpoints({ ...settings, commands, keys }),
    floor: { reached: settings.floor.reached, keep: () => settings.floor.keep(commands) },
    deadLetters: createDeadLetters({
      connection: commands,
      key: keys.dead,
      max: settings.maxDeadLetters,
      onAdded: ({ id }, reason) => settings.events.onDead(id, reason),
      onLost: ({ id }, reason) => settings.events.onDead(id, reason),
    }),
    readGenerations: options.readGenerations ?? (() => readGenerations(settings.connection)),
  });
}

/** It does not notice either under which generation it reads. */
function unaware(reader: IntakeReader, readGenerations: () => Promise<readonly string[]>): IntakeReader {
  return {
    ...reader,
    async read(after, waitMs) {
      const { entries } = await reader.read(after, waitMs);
      const [generation = ''] = await readGenerations();
      return { entries, generation };
    },
  };
}

/** Changes to report, round robin over `properties`, with counts that nobody has used before. */
export function createReporter(redis: TestRedis, properties: readonly string[]) {
  const accepted = new Map<string, number[]>(properties.map((property) => [property, []]));
  let count = 0;

  return {
    accepted: accepted as Counts,
    /** Writes `n` changes to the intake stream. */
    async report(n: number): Promise<void> {
      const pipeline = redis.connect().pipeline();
      const reported: [property: string, count: number][] = [];
      for (let i = 0; i < n; i += 1) {
        const property = properties[count % properties.length] as string;
        count += 1;
        reported.push([property, count]);
        const change = { property_id: property, violation_type: 'HPD', count };
        pipeline.xadd('belfry:intake', '*', 'change', JSON.stringify(change));
      }
      const replies = await pipeline.exec();
      const failed = replies?.find(([error]) => error)?.[0];
      if (failed) throw failed;
      for (const [property, reportedCount] of reported) accepted.get(property)?.push(reportedCount);
    },
  };
}

/**
 * Waits until the channels, and `global`, hold as many events as were accepted; then audits both.
 * @param options.channels, options.global as many instead, where a test means some to be missing
 */
export async function auditAll(
  redis: TestRedis,
  accepted: Counts,
  options: { readonly deadlineMs?: number; readonly channels?: number; readonly global?: number } = {},
): Promise<{ channels: Audit; global: Audit }> {
  const all = [...accepted.values()].reduce((sum, counts) => sum + counts.length, 0);
  const { deadlineMs = 60_000 } = options;
  const wanted = { channels: options.channels ?? all, global: options.global ?? all };
  const look = async () => ({
    channels: audit(accepted, await countsOfChannels(redis, accepted.keys())),
    global: audit(accepted, await countsOfGlobal(redis)),
  });
  const complete = eventually(
    'complete logs',
    async () => {
      const { channels, global } = await look();
      return channels.audited >= wanted.channels && global.audited >= wanted.global;
    },
    { deadlineMs },
  );
  // What is missing is told by the audit, better than by a deadline.
  await complete.catch(() => undefined);
  return look();
}

/** Writes one entry to the intake stream, as services do. */
export const addEntry = (redis: TestRedis, ...fields: string[]) =>
  redis.connect().xadd('belfry:intake', '*', ...fields) as Promise<string>;

export const readLog = async (redis: TestRedis, channel: string) =>
  (await redis.connect().xrange(`belfry:{${channel}}:log`, '-', '+')).map(([id, fields]) => ({
    ...(JSON.parse(fields[1] ?? '') as { type: string; count: number; new_violations: number }),
    id,
  }));

/** A channel's events, once it has so many. */
export const eventsIn = (redis: TestRedis, channel: string, n: number) =>
  eventually(`${n} events on ${channel}`, async () => {
    const events = await readLog(redis, channel);
    return events.length >= n && events;
  });
