/**
 * The worker reads the intake and keeps one lane for every share that this publisher holds: it opens lanes from their
 * checkpoints, feeds them, writes down how far they are, and starts them all over when Redis may have lost something.
 */
import { LogUnavailable, type LogWriter } from '@belfry/shared/log';
import { type Clock, createBackoff, type Logger } from '@belfry/shared/service';
import type { Shares } from '../leases/shares.js';
import type { Checkpoints } from './checkpoints.js';
import type { DeadLetters } from './dead-letters.js';
import { createDispatch } from './dispatch.js';
import type { IntakeEntry } from './entry.js';
import type { IntakeFloor } from './floor.js';
import { compareIds, earlierId, FIRST_ID } from './id.js';
import { createLane, type Lane } from './lane.js';
import type { IntakeReader } from './reader.js';

export interface WorkerEvents {
  readonly onAppended: (events: number, global: number) => void;
  readonly onBatch: (entries: number, seconds: number) => void;
  readonly onConflict: () => void;
  readonly onRetry: () => void;
  /** A share is read again from further back. */
  readonly onRewound: (share: number) => void;
}

export interface WorkerOptions {
  readonly log: LogWriter;
  readonly reader: IntakeReader;
  readonly shares: Shares;
  /** Into how many shares the intake is cut. */
  readonly shareCount: number;
  readonly checkpoints: Checkpoints;
  readonly floor: Pick<IntakeFloor, 'reached'> & { readonly keep: () => Promise<void> };
  readonly deadLetters: DeadLetters;
  /** The generations of Redis' masters at this moment. */
  readonly readGenerations: () => Promise<readonly string[]>;
  /** Whether Redis can be reached at this moment. */
  readonly connected: () => boolean;
  readonly batchSize: number;
  readonly batchSizePerChannel: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: WorkerEvents;
}

export interface ShareLag {
  readonly share: number;
  /** Entries that were read and are not yet applied. */
  readonly entries: number;
  /** Age of the oldest entry that is not yet applied, as far as this publisher has read; 0 where there is none. */
  readonly seconds: number;
}

export interface IntakeWorker {
  lag(): readonly ShareLag[];
  /** The shares have changed hands: looks at them at once. */
  sharesChanged(): void;
  /** Finishes the batches in hand, writes the checkpoints, gives back the shares. */
  stop(): Promise<void>;
}

/** A waiting read notices within this time that shares have changed hands. */
const READ_WAIT_MS = 250;
const RETRY_FIRST_MS = 100;
const RETRY_MAX_MS = 2_000;
const CHECKPOINT_MS = 500;
const GENERATION_MS = 1_000;
/** Read ahead beside what is being applied, of all lanes together. More of it only costs garbage collection. */
const MAX_WAITING_BATCHES = 2;
const MAX_WAITING_CHARACTERS = 32_000_000;
/** Of all lanes together. */
const CACHE_BYTES = 128_000_000;

interface OpenLane {
  readonly lane: Lane;
  /** The reader has brought everything up to here. */
  readUpTo: string;
  /** The checkpoint as last written. */
  written: string;
}

export function startWorker(options: WorkerOptions): IntakeWorker {
  const { checkpoints, clock, events, floor, logger, reader, shareCount, shares } = options;
  const dispatch = createDispatch({ shares: shareCount, maxItemsPerChannel: options.batchSizePerChannel });
  const lanes = new Map<number, OpenLane>();
  let generations: readonly string[] = [];
  let cursor = FIRST_ID;
  /** True when the last read brought all there was. */
  let atEnd = false;
  let startOver = false;
  let stopping = false;
  let wake: (() => void) | undefined;
  /** Something happened since the last sleep: the next one is not slept. */
  let woken = false;

  const awake = (): void => {
    woken = true;
    wake?.();
  };
  const sleep = async (ms: number): Promise<void> => {
    if (!woken) await sleepOrWake(ms);
    woken = false;
  };
  const sleepOrWake = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.after(ms, resolve);
      wake = () => {
        cancel();
        resolve();
      };
    });

  function demandNewStart(reason: string): void {
    if (!startOver) logger.warn({ reason }, 'the intake is read again from its checkpoints');
    startOver = true;
    awake();
  }

  async function open(share: number): Promise<void> {
    const { position, rewound } = await checkpoints.open(share, generations);
    if (rewound) {
      events.onRewound(share);
      logger.warn({ share, position }, 'share set back: Redis runs under a new generation');
    }
    const lane = createLane({
      share,
      position,
      generations,
      log: options.log,
      deadLetters: options.deadLetters,
      batchSize: options.batchSize,
      batchSizePerChannel: options.batchSizePerChannel,
      cacheBytes: CACHE_BYTES / shareCount,
      clock,
      logger,
      events: {
        ...events,
        onRoom: awake,
        onFenced: (generation) => demandNewStart(`generation ${generation || 'unknown'}`),
      },
    });
    cursor = lanes.size === 0 ? position : earlierId(cursor, position);
    lanes.set(share, { lane, readUpTo: position, written: position });
    atEnd = false;
  }

  /** Ends a lane with its batch finished and its checkpoint written. */
  async function end(share: number, open: OpenLane): Promise<void> {
    await open.lane.stop();
    lanes.delete(share);
    await checkpoints.advance(share, generations, open.lane.position());
  }

  /** Makes the lanes be those of the shares that are held. */
  async function adjust(): Promise<void> {
    if (startOver) {
      await stopLanes();
      lanes.clear();
    }
    if (lanes.size === 0) {
      generations = await options.readGenerations();
      if (shares.held().size > 0) await keepFloor();
    }
    startOver = false;
    for (const share of [...shares.surplus()]) {
      const open = lanes.get(share);
      if (open) await end(share, open);
      await shares.release(share);
    }
    for (const [share, open] of [...lanes]) if (!shares.held().has(share)) await end(share, open);
    for (const share of [...shares.held()]) if (!lanes.has(share)) await open(share);
  }

  /** Before checkpoints are set back: they say how far the intake was, also to who has not seen it. */
  async function keepFloor(): Promise<void> {
    for (const position of await checkpoints.all()) if (position !== undefined) floor.reached(position);
    await floor.keep();
  }

  function feed(entries: readonly IntakeEntry[]): void {
    for (const entry of entries) {
      dispatch(
        entry,
        (share) => {
          const open = lanes.get(share);
          return open !== undefined && compareIds(entry.id, open.readUpTo) > 0;
        },
        (share, work) => lanes.get(share)?.lane.offer(work),
      );
    }
    const last = entries.at(-1)?.id;
    if (last === undefined) return;
    cursor = last;
    floor.reached(last);
    for (const open of lanes.values()) {
      if (compareIds(last, open.readUpTo) <= 0) continue;
      open.readUpTo = last;
      open.lane.reached(last);
    }
  }

  function full(): boolean {
    let waiting = 0;
    let weight = 0;
    for (const { lane } of lanes.values()) {
      waiting += lane.waiting();
      weight += lane.weight();
    }
    return waiting > MAX_WAITING_BATCHES * options.batchSize * lanes.size || weight > MAX_WAITING_CHARACTERS;
  }

  async function turn(): Promise<void> {
    await adjust();
    if (lanes.size === 0) return sleep(READ_WAIT_MS);
    const { entries, generation } = await reader.read(cursor, READ_WAIT_MS);
    // What was read from an old place is read again.
    if (startOver) return;
    if (!generations.includes(generation)) return elsewhere(generation);
    atEnd = entries.length === 0;
    feed(entries);
    while (full() && !startOver && !stopping) await sleep(READ_WAIT_MS);
  }

  /**
   * The intake was read from another Redis than the one that is appended to: one of the two connections has not followed a
   * failover yet. The former master may take entries all the while, and who went on behind them would pass over those of the
   * new one.
   */
  async function elsewhere(generation: string): Promise<void> {
    await checkGenerations();
    if (startOver || stopping) return;
    reader.reconnect();
    throw new LogUnavailable(`the intake was read under generation ${generation}, under which nothing is appended`);
  }

  async function run(): Promise<void> {
    const backoff = createBackoff(RETRY_FIRST_MS, RETRY_MAX_MS);
    let failures = 0;
    while (!stopping) {
      try {
        await turn();
        if (failures > 0) logger.info({ failures }, 'the intake is read again');
        failures = 0;
        backoff.reset();
      } catch (error) {
        if (stopping) return;
        events.onRetry();
        failures += 1;
        const level = failures === 1 ? 'warn' : 'debug';
        logger[level]({ err: error, failures }, 'the intake cannot be read; trying again until it can');
        await sleep(backoff.next());
      }
    }
  }

  async function writeCheckpoints(): Promise<void> {
    const under = generations;
    await Promise.all(
      [...lanes.values()].map(async (open) => {
        const position = open.lane.position();
        if (position === open.written) return;
        if (await checkpoints.advance(open.lane.share, under, position)) open.written = position;
        else if (under === generations) demandNewStart('somebody set a share back');
      }),
    );
  }

  async function checkGenerations(): Promise<void> {
    if (lanes.size === 0) return;
    const under = generations;
    const now = await options.readGenerations();
    if (under === generations && now.join() !== under.join()) demandNewStart('generation changed');
  }

  const stopLanes = (): Promise<unknown> => Promise.all([...lanes.values()].map(({ lane }) => lane.stop()));
  const quietly = (what: string, run: () => Promise<void>) => (): Promise<void> =>
    run().catch((error: unknown) => logger.debug({ err: error }, `${what} failed`));
  const stopTimers = [
    clock.every(CHECKPOINT_MS, quietly('writing checkpoints', writeCheckpoints)),
    clock.every(GENERATION_MS, quietly('asking for generations', checkGenerations)),
  ];
  const ended = run();

  return {
    sharesChanged: awake,
    lag: () => [...lanes.values()].map(({ lane }) => lagOf(lane, cursor, atEnd, clock.now())),
    async stop() {
      stopping = true;
      for (const stopTimer of stopTimers) stopTimer();
      awake();
      reader.close();
      await Promise.all([ended, stopLanes()]);
      // The loop may have opened another one on its way out.
      await stopLanes();
      const inOrder = options.connected();
      if (inOrder) await quietly('writing checkpoints', writeCheckpoints)();
      else logger.warn('Redis is away: the checkpoints stay where they are, and the leases run out by themselves');
      // After the checkpoints: who takes a share over reads them.
      await shares.close(inOrder);
    },
  };
}

function lagOf(lane: Lane, cursor: string, atEnd: boolean, now: number): ShareLag {
  const oldest = lane.oldest() ?? (atEnd ? undefined : cursor);
  const seconds =
    oldest === undefined || oldest === FIRST_ID ? 0 : Math.max(0, (now - Number(oldest.split('-')[0])) / 1000);
  return { share: lane.share, entries: lane.waiting(), seconds };
}
