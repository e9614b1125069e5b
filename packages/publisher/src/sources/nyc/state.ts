/**
 * How each source is: `ok`, `stale` (the city says that what it shows is out of date) or `failing`, since when, and what
 * time its data is of. It is what lets a dashboard say "city data as of …" instead of showing a failure as silence.
 */
import type { Connection } from '@belfry/shared/log';
import { type Logger, readStored } from '@belfry/shared/service';
import type { Dataset } from './dataset.js';
import { type FailureCode, failureCode } from './failure.js';

export const SOURCE_STATES = ['ok', 'stale', 'failing'] as const;

/** Times are seconds since 1970. */
export interface SourceState {
  readonly source: string;
  /** The city's id of the dataset. */
  readonly dataset: string;
  readonly violation_type: string;
  /** A source that was never read is `stale`. */
  readonly state: (typeof SOURCE_STATES)[number];
  /** When the state began. */
  readonly since: number;
  /** When the city was last read successfully. */
  readonly checked_at?: number;
  /** When the city last changed the dataset, as far as was read. */
  readonly data_as_of?: number;
  /** Why it is not ok. */
  readonly error?: FailureCode;
  readonly message?: string;
}

export interface SourceStates {
  /** @param dataAsOf milliseconds since 1970 */
  succeeded(dataset: Dataset, dataAsOf: number | undefined): Promise<void>;
  failed(dataset: Dataset, error: unknown): Promise<void>;
  /** As Redis has them, of all publishers; the last ones seen while Redis is away. */
  list(): Promise<SourceState[]>;
}

export interface SourceStatesOptions {
  readonly redis: Connection;
  readonly prefix: string;
  readonly datasets: readonly Dataset[];
  readonly now: () => number;
  readonly logger: Logger;
  /**
   * Called when a client would see a difference: another state, error or time of data. Resolves once clients will see it;
   * where it rejects, it is called again with the source's next poll.
   */
  readonly announce: (state: SourceState) => Promise<void>;
}

const MAX_MESSAGE_LENGTH = 200;

export function createSourceStates(options: SourceStatesOptions): SourceStates {
  const { redis, prefix, datasets, now, logger } = options;
  const key = `${prefix}:{nyc}:sources`;
  /** Hash: what clients see of each source; without a field where that is not known. */
  const announcedKey = `${prefix}:{nyc}:announced`;
  const started = now() / 1_000;
  const never = ({ name, id, violationType }: Dataset): SourceState => ({
    source: name,
    dataset: id,
    violation_type: violationType,
    state: 'stale',
    since: started,
  });
  const seen = new Map(datasets.map((dataset) => [dataset.name, never(dataset)]));

  async function refresh(): Promise<void> {
    const texts = await redis.hmget(key, ...seen.keys());
    for (const text of texts) {
      const state = readStored<SourceState>(text, 'source', ({ source }) => seen.has(String(source)));
      if (state) seen.set(state.source, state);
    }
  }

  async function save(dataset: Dataset, next: (previous: SourceState) => SourceState): Promise<void> {
    await refresh();
    const previous = seen.get(dataset.name) ?? never(dataset);
    const state = next(previous);
    seen.set(dataset.name, state);
    await redis.hset(key, dataset.name, JSON.stringify(state));
    if (state.state !== previous.state) {
      logger[state.state === 'ok' ? 'info' : 'warn']({ ...state }, `source is ${state.state}`);
    }
    await announce(state).catch((error: unknown) => {
      logger.warn(
        { err: error, source: state.source },
        'the state of a source was not published; its next poll tries again',
      );
    });
  }

  async function announce(state: SourceState): Promise<void> {
    const { source, error = '', data_as_of = '' } = state;
    const shown = [state.state, error, data_as_of].join(' ');
    if ((await redis.hget(announcedKey, source)) === shown) return;
    // Forgotten before and noted behind: whoever dies in between leaves it unknown, and then it is announced again.
    await redis.hdel(announcedKey, source);
    await options.announce(state);
    await redis.hset(announcedKey, source, shown);
  }

  return {
    succeeded: (dataset, dataAsOf) =>
      save(dataset, (previous) => ({
        ...never(dataset),
        state: 'ok',
        since: previous.state === 'ok' ? previous.since : now() / 1_000,
        checked_at: now() / 1_000,
        ...(dataAsOf === undefined ? {} : { data_as_of: dataAsOf / 1_000 }),
      })),
    failed: (dataset, error) =>
      save(dataset, (previous) => {
        const code = failureCode(error);
        const { checked_at, data_as_of } = previous;
        return {
          ...never(dataset),
          state: code === 'stale' ? 'stale' : 'failing',
          // Ok or not is what counts: from failing to stale the clock runs on.
          since: previous.state === 'ok' || previous.error === undefined ? now() / 1_000 : previous.since,
          ...(checked_at === undefined ? {} : { checked_at }),
          ...(data_as_of === undefined ? {} : { data_as_of }),
          error: code,
          message: (error instanceof Error ? error.message : String(error)).slice(0, MAX_MESSAGE_LENGTH),
        };
      }),
    async list() {
      try {
        await refresh();
      } catch (error) {
        logger.debug({ err: error }, 'source states could not be read');
      }
      return [...seen.values()];
    },
  };
}
