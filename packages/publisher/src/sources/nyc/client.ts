/**
 * Asks the city's API (SODA 2.1). One question is tried several times, with backoff, jitter and the city's own
 * Retry-After; what comes back is rows that can be trusted or a CityFailure, never an empty list for an error.
 */
import { type Clock, createBackoff, type Logger } from '@belfry/shared/service';
import type { Dataset } from './dataset.js';
import { CityFailure } from './failure.js';
import { type Page, readPage } from './response.js';

export interface Question {
  readonly select: readonly string[];
  readonly where?: string | undefined;
  /** Columns, optionally with ` DESC`. Empty for aggregates only: without an order the city's pages overlap. */
  readonly order: readonly string[];
  readonly limit: number;
}

export interface CityClient {
  /** @throws CityFailure when the last attempt failed, or the first that cannot be repeated */
  ask(dataset: Dataset, question: Question): Promise<Page>;
}

export interface CityClientOptions {
  /** `https://data.cityofnewyork.us` */
  readonly baseUrl: string;
  /** Sent as X-App-Token; without one the city throttles by address. */
  readonly appToken?: string;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  readonly logger: Logger;
  /** 0 to 1, as Math.random. */
  readonly random?: () => number;
  /** Called after every attempt, for metrics. */
  readonly onAttempt?: (dataset: Dataset, result: 'ok' | CityFailure['code'], seconds: number) => void;
  /** Ends waiting and asking at once, when the process stops. */
  readonly stopped?: AbortSignal;
  /** Default 5. */
  readonly attempts?: number;
  /** Milliseconds for one attempt, its body included. Default 30,000. */
  readonly timeoutMs?: number;
  /** Default 32 MiB; a page of 2,000 rows has about 2. */
  readonly maxBytes?: number;
}

const FIRST_WAIT_MS = 2_000;
const MAX_WAIT_MS = 60_000;
/** A longer Retry-After than this is left to the next poll. */
const MAX_RETRY_AFTER_MS = 120_000;

export function createCityClient(options: CityClientOptions): CityClient {
  const { clock, logger, attempts = 5, timeoutMs = 30_000, maxBytes = 32 * 1_024 * 1_024 } = options;
  const headers = {
    accept: 'application/json',
    'user-agent': 'belfry-publisher',
    ...(options.appToken ? { 'x-app-token': options.appToken } : {}),
  };

  async function attempt(dataset: Dataset, question: Question): Promise<Page> {
    const timeout = AbortSignal.timeout(timeoutMs);
    const signal = options.stopped ? AbortSignal.any([timeout, options.stopped]) : timeout;
    try {
      // Redirects are not followed: they would carry the token to another host.
      const response = await options.fetch(urlOf(options.baseUrl, dataset, question), {
        headers,
        signal,
        redirect: 'manual',
      });
      const required = dataset.required.filter((column) => question.select.includes(column));
      return await readPage(dataset, response, { required, maxBytes, now: clock.now() });
    } catch (error) {
      if (options.stopped?.aborted) throw new CityFailure('stopped', `${dataset.name}: stopping`);
      throw asFailure(dataset, error, timeout.aborted);
    }
  }

  async function timed(dataset: Dataset, question: Question): Promise<Page> {
    const started = performance.now();
    const done = (result: 'ok' | CityFailure['code']) =>
      options.onAttempt?.(dataset, result, (performance.now() - started) / 1_000);
    try {
      const page = await attempt(dataset, question);
      done('ok');
      return page;
    } catch (error) {
      done((error as CityFailure).code);
      throw error;
    }
  }

  return {
    async ask(dataset, question) {
      const backoff = createBackoff(FIRST_WAIT_MS, MAX_WAIT_MS, options.random);
      for (let tried = 1; ; tried += 1) {
        try {
          return await timed(dataset, question);
        } catch (error) {
          const failure = error as CityFailure;
          const waitMs = Math.max(backoff.next(), failure.retryAfterMs ?? 0);
          if (!failure.retried || tried >= attempts || waitMs > MAX_RETRY_AFTER_MS) throw failure;
          logger.debug({ source: dataset.name, code: failure.code, tried, wait_ms: waitMs }, 'city asked again');
          await pause(clock, waitMs, options.stopped);
        }
      }
    },
  };
}

/** Waits, or until `stopped`; the next attempt then says so. */
function pause(clock: Clock, ms: number, stopped: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    const cancel = clock.after(ms, () => {
      stopped?.removeEventListener('abort', onStop);
      resolve();
    });
    const onStop = (): void => {
      cancel();
      resolve();
    };
    if (stopped?.aborted) onStop();
    else stopped?.addEventListener('abort', onStop, { once: true });
  });
}

function urlOf(baseUrl: string, dataset: Dataset, question: Question): URL {
  const url = new URL(`/resource/${dataset.id}.json`, baseUrl);
  url.searchParams.set('$select', question.select.join(','));
  if (question.where) url.searchParams.set('$where', question.where);
  if (question.order.length > 0) url.searchParams.set('$order', question.order.join(','));
  url.searchParams.set('$limit', String(question.limit));
  return url;
}

function asFailure(dataset: Dataset, error: unknown, timedOut: boolean): CityFailure {
  if (error instanceof CityFailure) return error;
  if (timedOut) return new CityFailure('timeout', `${dataset.name}: no complete answer in time`, { cause: error });
  const reason =
    error instanceof Error ? ((error.cause as Error | undefined)?.message ?? error.message) : String(error);
  return new CityFailure('network', `${dataset.name}: ${reason}`, { cause: error });
}
