/** What the publisher reports by itself: NYC Open Data and the demo feed, through the same door as everybody's changes. */
import { type Connection, partKey } from '@belfry/shared/log';
import type { Clock, Logger, Registry, SettingValues } from '@belfry/shared/service';
import type { ServiceEvent } from './changes/service-event.js';
import { HttpError, type Route } from './http/server.js';
import type { IntakeDoor } from './intake/door.js';
import type { JobConnection } from './jobs/connection.js';
import type { JobMetrics } from './jobs/metrics.js';
import {
  type NycSources,
  type SourceState,
  type Submit,
  type sourceSettings,
  startDemoFeed,
  startNycSources,
} from './sources/index.js';
import { startWhenPossible } from './start-when-possible.js';

export interface ReportingOptions {
  readonly settings: SettingValues<typeof sourceSettings>;
  readonly prefix: string;
  readonly redis: Connection;
  readonly connectForJobs: () => JobConnection;
  readonly jobMetrics: JobMetrics;
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

/** Returns at once; the sources start as soon as Redis is there. */
export function startReporting(options: ReportingOptions): Reporting {
  const { clock, door, logger, settings } = options;
  const submit: Submit = async (changes, { key } = {}) => {
    await door.accept(changes.map((change, n) => ({ change, key: key && partKey(key, n) })));
  };
  const demo = settings.DEMO_FEED ? startDemoFeed({ submit, clock, logger }) : undefined;

  const announce = async (state: SourceState): Promise<void> => {
    await door.accept([{ event: sourceEvent(state) }]);
  };

  const start = (): Promise<NycSources> => startNycSources({ ...options, submit, fetch, announce });
  const sources = settings.SOURCES_ENABLED ? startWhenPossible('sources', start, options) : undefined;

  return {
    routes: [
      {
        method: 'GET',
        path: '/v1/sources',
        handle: async () => {
          if (sources && !sources.current()) throw new HttpError('unavailable', 'The sources are being started.');
          return { status: 200, body: { sources: (await sources?.current()?.status()) ?? [] } };
        },
      },
    ],
    async close() {
      await demo?.close();
      await (await sources?.stop())?.close();
    },
  };
}

/**
 * For dashboards: "city data as of …". An allow-list: the message of an error may name addresses and settings, and is for
 * operators only.
 */
export function sourceEvent({ source, violation_type, state, since, checked_at, data_as_of, error }: SourceState) {
  const event: ServiceEvent = {
    channel: 'state:sources',
    type: 'source_state',
    key: source,
    source,
    violation_type,
    state,
    since,
    ...(checked_at === undefined ? {} : { checked_at }),
    ...(data_as_of === undefined ? {} : { data_as_of }),
    ...(error === undefined ? {} : { error }),
  };
  return event;
}
