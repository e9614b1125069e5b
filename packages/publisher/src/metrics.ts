/** The publisher's metrics. No label grows with properties or users. */
import {
  Counter,
  Gauge,
  Histogram,
  LATENCY_BUCKETS,
  type Logger,
  type Registry,
  watchForeign,
} from '@belfry/shared/service';
import type { IntakeEvents } from './intake/intake.js';
import type { ShareLag } from './intake/worker.js';

export type PublisherMetrics = ReturnType<typeof createPublisherMetrics>;

export function createPublisherMetrics(registry: Registry) {
  watchForeign(registry);
  const registers = [registry];
  const counter = <T extends string>(name: string, help: string, labelNames: readonly T[] = []) =>
    new Counter({ name, help, labelNames, registers });
  return {
    accepted: counter('belfry_intake_accepted_total', 'Reports accepted at the HTTP door', ['kind']),
    refused: counter('belfry_intake_refused_total', 'HTTP requests refused, by error code', ['code']),
    dead: counter('belfry_intake_dead_total', 'Intake entries put aside because they can never succeed'),
    entries: counter('belfry_intake_entries_total', 'Intake entries worked off'),
    appended: counter('belfry_events_appended_total', 'Events appended to channels', ['channel']),
    conflicts: counter('belfry_append_conflicts_total', 'Appends worked out anew because the channel had moved on'),
    retries: counter('belfry_redis_retries_total', 'Calls repeated because Redis did not answer'),
    rewinds: counter('belfry_intake_rewinds_total', 'Shares set back because Redis runs under a new generation'),
    raised: counter(
      'belfry_intake_raised_total',
      'Times the intake went on behind ids that a failover had lost and would have given again',
    ),
    epochChanges: counter('belfry_epoch_changes_total', 'Channels that began a new epoch'),
    trimmed: counter('belfry_intake_trimmed_total', 'Intake entries removed after their retention'),
    batchSeconds: new Histogram({
      name: 'belfry_intake_batch_seconds',
      help: 'Time from a batch in hand to its last event appended',
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    appendSeconds: new Histogram({
      name: 'belfry_append_seconds',
      help: 'Time of one append call, with what waits before it on the connection',
      buckets: LATENCY_BUCKETS,
      registers,
    }),
  };
}

/** What happens in the intake, counted, and logged where somebody should look at it. */
export function intakeMetrics(metrics: PublisherMetrics, logger: Logger): Omit<IntakeEvents, 'onMisfit'> {
  return {
    onAppended: (events, global) => {
      metrics.appended.inc({ channel: 'own' }, events);
      metrics.appended.inc({ channel: 'global' }, global);
    },
    onBatch: (entries, seconds) => {
      metrics.entries.inc(entries);
      metrics.batchSeconds.observe(seconds);
    },
    onConflict: () => metrics.conflicts.inc(),
    onRetry: () => metrics.retries.inc(),
    onRewound: () => metrics.rewinds.inc(),
    onTrimmed: (entries) => metrics.trimmed.inc(entries),
    onDead: (entry, reason) => {
      metrics.dead.inc();
      logger.warn({ entry, reason }, 'dead letter');
    },
  };
}

/** Per share that this publisher holds: how far it is behind. */
export function watchLag(registry: Registry, lag: () => readonly ShareLag[]): void {
  const gauge = (name: string, help: string, value: (share: ShareLag) => number): void => {
    new Gauge({
      name,
      help,
      labelNames: ['share'],
      registers: [registry],
      collect() {
        this.reset();
        for (const share of lag()) this.set({ share: String(share.share) }, value(share));
      },
    });
  };
  gauge('belfry_intake_lag_entries', 'Intake entries read and not yet applied', ({ entries }) => entries);
  gauge('belfry_intake_lag_seconds', 'Age of the oldest intake entry not yet applied', ({ seconds }) => seconds);
}
