/**
 * A lane: works off one share of the intake, batch after batch, in order. It keeps a position, behind which everything
 * is applied on all channels, and ends where that cannot be trusted any more.
 *
 *   working ──► idle ──► working …   ──► stopped   (asked to; the batch in hand is finished)
 *      └──────────────────────────────► fenced    (Redis may have lost what was applied: whoever holds it starts over)
 */
import { LogUnavailable, type LogWriter } from '@belfry/shared/log';
import { type Clock, createBackoff, type Logger } from '@belfry/shared/service';
import { type BatchApply, createBatchApply, type Refuse, type ShareWork } from './batch.js';
import { createChannelApply, decidesNothing, Fenced, Stopped } from './channel-apply.js';
import type { DeadLetters } from './dead-letters.js';
import type { IntakeEntry } from './entry.js';
import { createFactsCache } from './facts-cache.js';

/** Something to do for an entry: apply it, or put it aside because it can never succeed. */
export type LaneWork =
  | ShareWork
  | { readonly id: string; readonly entry: IntakeEntry; readonly weight: number; readonly dead: string };

export interface LaneEvents {
  readonly onAppended: (events: number, global: number) => void;
  readonly onBatch: (entries: number, seconds: number) => void;
  readonly onConflict: () => void;
  readonly onRetry: () => void;
  /** There is less waiting than before. */
  readonly onRoom: () => void;
  /** The lane has ended: Redis runs under a generation that it does not know. */
  readonly onFenced: (generation: string) => void;
}

export interface LaneOptions {
  readonly share: number;
  /** Everything up to here was applied under `generations`. */
  readonly position: string;
  readonly generations: readonly string[];
  readonly log: LogWriter;
  readonly deadLetters: DeadLetters;
  /** Entries worked on at once. */
  readonly batchSize: number;
  /** Entries of one channel worked on at once: what its log holds, so that it can be asked what was applied. */
  readonly batchSizePerChannel: number;
  readonly cacheBytes: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: LaneEvents;
}

export interface Lane {
  readonly share: number;
  /** Everything up to here is applied. */
  position(): string;
  /** The oldest entry that is not yet applied; undefined where none is waiting. */
  oldest(): string | undefined;
  /** Entries that are waiting or in hand. */
  waiting(): number;
  /** How many characters those are, about. */
  weight(): number;
  /** Work in the order of its ids. */
  offer(work: LaneWork): void;
  /** All entries up to here were offered or do not concern this share. */
  reached(id: string): void;
  /** Finishes the batch in hand; where Redis does not answer, gives it up. */
  stop(): Promise<void>;
}

const RETRY_FIRST_MS = 50;
const RETRY_MAX_MS = 2_000;

export function createLane(options: LaneOptions): Lane {
  const { clock, deadLetters, events, generations, log, logger, share } = options;
  let queue: LaneWork[] = [];
  let inHand: readonly LaneWork[] = [];
  let weight = 0;
  let position = options.position;
  let reached = position;
  let stopping = false;
  let wake: (() => void) | undefined;

  /** Redis' errors pass: the call is repeated until it succeeds, or the lane is to stop. */
  const persist = <T>(call: () => Promise<T>): Promise<T> => call().catch((error: unknown) => repeat(call, error));

  async function repeat<T>(call: () => Promise<T>, first: unknown): Promise<T> {
    const backoff = createBackoff(RETRY_FIRST_MS, RETRY_MAX_MS);
    let error = first;
    for (;;) {
      if (!(error instanceof LogUnavailable)) throw error;
      if (stopping) throw new Stopped('stopped while Redis was away', { cause: error });
      events.onRetry();
      logger.debug({ err: error, share }, 'Redis did not answer; repeating');
      await new Promise<void>((resolve) => {
        clock.after(backoff.next(), resolve);
      });
      try {
        return await call();
      } catch (next) {
        error = next;
      }
    }
  }

  const cache = createFactsCache(options.cacheBytes);
  const applyToChannel = createChannelApply({
    log,
    lane: share,
    generations,
    cache,
    persist,
    onConflict: events.onConflict,
  });
  const { onAppended } = events;
  const apply: BatchApply = createBatchApply({ log, lane: share, generations, applyToChannel, persist, onAppended });

  /** As many as may be worked on at once: `batchSize`, and of one channel not more than its log holds. */
  function take(): LaneWork[] {
    const perChannel = new Map<string, number>();
    let count = 0;
    for (const work of queue) {
      if (count === options.batchSize) break;
      if ('items' in work && count > 0 && overflows(work, perChannel)) break;
      if ('items' in work) tally(work, perChannel);
      count += 1;
    }
    const batch = queue.slice(0, count);
    queue = queue.slice(count);
    return batch;
  }

  const overflows = (work: ShareWork, perChannel: ReadonlyMap<string, number>): boolean =>
    work.items.some(({ channel }) => (perChannel.get(channel) ?? 0) + work.items.length > options.batchSizePerChannel);

  function tally(work: ShareWork, perChannel: Map<string, number>): void {
    for (const { channel } of work.items) perChannel.set(channel, (perChannel.get(channel) ?? 0) + 1);
  }

  const putAside = (entry: IntakeEntry, reason: string): Promise<void> => persist(() => deadLetters.add(entry, reason));

  async function workOff(batch: readonly LaneWork[]): Promise<void> {
    const works: ShareWork[] = [];
    for (const work of batch) {
      if ('items' in work) works.push(work);
      else await putAside(work.entry, work.dead);
    }
    try {
      await applyOrPutAside(works, 'broken');
    } catch (error) {
      if (decidesNothing(error)) throw error;
      logger.error({ err: error, share }, 'a batch failed; applying its entries one by one');
      await workOffSingly(works);
    }
  }

  async function applyOrPutAside(works: readonly ShareWork[], refuse: Refuse): Promise<void> {
    const refused = await apply(works, refuse);
    if (refused.size === 0) return;
    for (const { entry, id } of works) {
      const reason = refused.get(id);
      if (reason !== undefined) await putAside(entry, `cannot be applied: ${reason}`);
    }
  }

  /** One of these cannot be worked out, whatever the reason: the others are not to wait for it. */
  async function workOffSingly(works: readonly ShareWork[]): Promise<void> {
    for (const work of works) {
      try {
        await applyOrPutAside([work], 'failing');
      } catch (error) {
        if (decidesNothing(error)) throw error;
        await putAside(work.entry, `cannot be applied: ${(error as Error).message}`);
      }
    }
  }

  async function run(): Promise<void> {
    while (!stopping) {
      if (queue.length === 0) {
        position = reached;
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      inHand = take();
      const started = clock.now();
      await workOff(inHand);
      events.onBatch(inHand.length, (clock.now() - started) / 1000);
      position = inHand.at(-1)?.id ?? position;
      for (const work of inHand) weight -= work.weight;
      inHand = [];
      events.onRoom();
    }
  }

  const ended = run().catch((error: unknown) => {
    stopping = true;
    if (error instanceof Stopped) return;
    if (!(error instanceof Fenced)) logger.error({ err: error, share }, 'lane failed; starting over');
    events.onFenced(error instanceof Fenced ? error.generation : '');
  });

  function awake(): void {
    wake?.();
    wake = undefined;
  }

  return {
    share,
    position: () => position,
    oldest: () => (inHand[0] ?? queue[0])?.id,
    weight: () => weight,
    waiting: () => queue.length + inHand.length,
    offer(work) {
      queue.push(work);
      weight += work.weight;
      awake();
    },
    reached(id) {
      reached = id;
      awake();
    },
    async stop() {
      stopping = true;
      awake();
      await ended;
    },
  };
}
