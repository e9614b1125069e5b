/** What the publisher reports by itself: NYC Open Data and the demo feed, through the same door as everybody's changes. */
import type { Connection } from '@belfry/shared/log';
import { type Clock, createBackoff, type Logger, type Registry, type SettingValues } from '@belfry/shared/service';
import type { IntakeDoor } from './intake/door.js';
import { HttpError, type Route } from './intake/http.js';
import { connectForJobs } from './jobs/connection.js';
import { createJobMetrics } from './jobs/metrics.js';
import {
  type NycSources,
  type SourceState,
  type Submit,
  type sourceSettings,
  startDemoFeed,
  startNycSources,
} from './sources/index.js';

export interface ReportingOptions {
  readonly settings: SettingValues<typeof sourceSettings> & { readonly REDIS_URL: string };
  readonly prefix: string;
  readonly redis: Connection;
  readonly door: IntakeDoor;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly registry: Registry;
}

export interface Reporting {
  /** `GET /v1/sources`: how the sources are. */
  readonly routes: readonly Route[];
  /** Ends what is under way. */
  close(): Promise<void>;
}

const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 5_000;

/** Returns at once; the sources start as soon as Redis is there. */
export function startReporting(options: ReportingOptions): Reporting {
  const { clock, door, logger, settings } = options;
  const submit: Submit = async (changes, { key } = {}) => {
    await door.accept(changes.map((change, n) => ({ change, key: key && `${key}:${n}` })));
  };
  const demo = settings.DEMO_FEED ? startDemoFeed({ submit, clock, logger }) : undefined;
  let closing = false;
  let sources: NycSources | undefined;
  let wake: (() => void) | undefined;

  /** For dashboards: "city data as of …". */
  function announce({ source, ...state }: SourceState): void {
    const event = { channel: 'state:sources', type: 'source_state', key: source, source, ...state };
    door.accept([{ event }]).catch((error: unknown) => {
      logger.warn({ err: error, source }, 'the state of a source was not published');
    });
  }

  async function start(): Promise<void> {
    const jobMetrics = createJobMetrics(options.registry, logger, clock.now);
    const backoff = createBackoff(RETRY_FIRST_MS, RETRY_MAX_MS, options.random);
    while (!closing && !sources) {
      try {
        sources = await startNycSources({
          ...options,
          connectForJobs: () =>
            connectForJobs(settings.REDIS_URL, 'belfry-publisher-jobs', (error) => {
              logger.debug({ err: error, connection: 'jobs' }, 'Redis connection error');
            }),
          submit,
          fetch,
          jobMetrics,
          onSourceState: announce,
        });
      } catch (error) {
        logger.warn({ err: error }, 'sources cannot be started; trying again');
        await new Promise<void>((resolve) => {
          wake = resolve;
          clock.after(backoff.next(), resolve);
        });
      }
    }
  }

  const starting = settings.SOURCES_ENABLED ? start() : Promise.resolve();

  return {
    routes: [
      {
        method: 'GET',
        path: '/v1/sources',
        handle: async () => {
          if (settings.SOURCES_ENABLED && !sources)
            throw new HttpError('unavailable', 'The sources are being started.');
          return { status: 200, body: { sources: (await sources?.status()) ?? [] } };
        },
      },
    ],
    async close() {
      closing = true;
      wake?.();
      await demo?.close();
      await starting;
      await sources?.close();
    },
  };
}
