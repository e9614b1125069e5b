/**
 * The sources, wired: what the publisher's composition root starts. Reports of NYC Open Data for the properties that are
 * watched go through `submit`, as everybody's changes do.
 */
import type { Connection } from '@belfry/shared/log';
import type { Clock, Logger, Registry, SettingValues } from '@belfry/shared/service';
import type { JobConnection } from '../jobs/connection.js';
import type { JobMetrics } from '../jobs/metrics.js';
import { type Polling, startPolling } from '../jobs/polling.js';
import { DEMO_PROPERTIES } from './demo.js';
import { createCityClient } from './nyc/client.js';
import { datasetsNamed } from './nyc/datasets.js';
import { createLedger } from './nyc/ledger.js';
import { createSourceMetrics } from './nyc/metrics.js';
import { createPoller } from './nyc/poller.js';
import { createQuarantine } from './nyc/quarantine.js';
import { createSourceStates, type SourceState } from './nyc/state.js';
import type { sourceSettings } from './settings.js';
import type { Submit } from './submit.js';
import { createWatchList, type WatchList } from './watch-list.js';
import { SUBSCRIBED_MS, startWatching } from './watching.js';

export { type DemoFeed, startDemoFeed } from './demo.js';
export type { SourceState } from './nyc/state.js';
export { sourceSettings } from './settings.js';
export type { Submit } from './submit.js';
export type { WatchList, WatchReason } from './watch-list.js';

export interface NycSourcesOptions {
  readonly settings: SettingValues<typeof sourceSettings>;
  /** Of every key in Redis. */
  readonly prefix: string;
  readonly redis: Connection;
  /** As from `connectForJobs`; called twice. */
  readonly connectForJobs: () => JobConnection;
  readonly submit: Submit;
  readonly fetch: typeof fetch;
  readonly clock: Clock;
  /** 0 to 1, as Math.random. */
  readonly random: () => number;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly jobMetrics: JobMetrics;
  /**
   * Called when a source's state, error or time of data has changed: for the channel `state:sources`. Where it rejects, it
   * is called again with the source's next poll.
   */
  readonly announce: (state: SourceState) => Promise<void>;
}

export interface NycSources {
  readonly watchList: WatchList;
  /** For Bull Board. */
  readonly jobs: Polling['jobs'];
  /** All sources, as any publisher last found them: for `/v1/sources`. */
  status(): Promise<SourceState[]>;
  /**
   * Remembers that somebody watches these properties, for a week from now; what is new is read at once. What clients
   * subscribe to at gateways is found by itself.
   */
  watch(properties: readonly string[]): Promise<void>;
  /** Ends what waits at the city, then waits for the jobs that run. */
  close(): Promise<void>;
}

const HOUR = 3_600_000;
/** The city brought rows up to some minutes after later ones. */
const OVERLAP_MS = 10 * 60_000;
const CONFIRM_AFTER_MS = 60_000;

/** @throws when Redis is away; nothing is left running then, and it may be tried again */
export async function startNycSources(options: NycSourcesOptions): Promise<NycSources> {
  const { settings, prefix, redis, clock, logger, registry, announce } = options;
  const { now } = clock;
  const datasets = datasetsNamed(settings.NYC_DATASETS);
  const everyMs = settings.NYC_POLL_SECONDS * 1_000;
  const stop = new AbortController();

  const watchList = createWatchList(redis, prefix, now);
  await watchList.replace(settings.WATCH_PROPERTIES, 'configured');
  const states = createSourceStates({ redis, prefix, datasets, now, logger, announce });
  const metrics = createSourceMetrics(registry, states.list);
  const client = createCityClient({
    baseUrl: settings.NYC_BASE_URL,
    appToken: settings.NYC_APP_TOKEN,
    fetch: options.fetch,
    clock,
    logger,
    random: options.random,
    onAttempt: metrics.attempt,
    stopped: stop.signal,
  });
  // The demo feed's violations and the city's would resolve each other in turns.
  const invented = settings.DEMO_FEED ? DEMO_PROPERTIES : [];
  const watched = async (): Promise<Set<string>> => {
    const properties = await watchList.properties();
    for (const property of invented) properties.delete(property);
    return properties;
  };
  const poller = createPoller({
    datasets,
    client,
    ledger: createLedger(redis, prefix),
    quarantine: createQuarantine(redis, prefix, now, metrics.quarantined),
    watched,
    submit: options.submit,
    logger,
    now,
    pageRows: settings.NYC_PAGE_ROWS,
    timing: {
      everyMs,
      overlapMs: OVERLAP_MS,
      reconcileMs: settings.NYC_RECONCILE_HOURS * HOUR,
      confirmAfterMs: CONFIRM_AFTER_MS,
    },
    redis,
    states,
    metrics,
  });
  const polling = await startPolling({
    work: poller,
    prefix,
    connect: options.connectForJobs,
    everyMs,
    metrics: options.jobMetrics,
    logger,
  }).catch((error: unknown) => {
    // The caller tries again with the same registry.
    metrics.dispose();
    throw error;
  });

  const watching = startWatching({
    redis,
    prefix,
    watchList,
    configured: settings.WATCH_PROPERTIES,
    maxProperties: settings.WATCH_MAX_PROPERTIES,
    clock,
    logger,
    onAdded: polling.load,
    onSize: metrics.watched,
  });

  return {
    watchList,
    jobs: polling.jobs,
    status: states.list,
    watch: async (properties) => {
      await watchList.add(properties, 'subscribed', now() + SUBSCRIBED_MS);
      await watching.sweep();
    },
    async close() {
      stop.abort();
      await watching.close();
      await polling.close();
    },
  };
}
