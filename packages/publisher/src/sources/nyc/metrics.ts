/** What operators see of the sources. Labels are names from this code's own registries, never properties. */
import { Counter, Gauge, Histogram, type Registry } from '@belfry/shared/service';
import { QUARANTINE_REASONS, type QuarantineReason } from './bbl.js';
import type { Dataset } from './dataset.js';
import type { FailureCode } from './failure.js';
import { SOURCE_STATES, type SourceState } from './state.js';

export interface SourceMetrics {
  attempt(dataset: Dataset, result: 'ok' | FailureCode, seconds: number): void;
  poll(dataset: Dataset, result: 'ok' | FailureCode, seconds: number): void;
  reports(dataset: Dataset, reports: number): void;
  held(dataset: Dataset, properties: number): void;
  quarantined(dataset: Dataset, reason: QuarantineReason, rows: number): void;
  unknownValue(dataset: Dataset, field: 'status' | 'severity'): void;
  watched(properties: number): void;
  /** Takes the metrics out of the registry. */
  dispose(): void;
}

const NAMES = [
  'belfry_source_request_duration_seconds',
  'belfry_source_poll_duration_seconds',
  'belfry_source_reports_total',
  'belfry_source_held_properties',
  'belfry_source_quarantined_rows_total',
  'belfry_source_unknown_values_total',
  'belfry_source_watched_properties',
  'belfry_source_state',
  'belfry_source_checked_timestamp_seconds',
  'belfry_source_data_timestamp_seconds',
] as const;

/** @param states asked at every scrape, so that each publisher shows what any of them found */
export function createSourceMetrics(registry: Registry, states: () => Promise<readonly SourceState[]>): SourceMetrics {
  const registers = [registry];
  const requests = new Histogram({
    name: 'belfry_source_request_duration_seconds',
    help: 'Questions to the city, by outcome',
    labelNames: ['source', 'result'],
    buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers,
  });
  const polls = new Histogram({
    name: 'belfry_source_poll_duration_seconds',
    help: 'Polls of a source, by outcome',
    labelNames: ['source', 'result'],
    buckets: [0.1, 0.5, 1, 5, 10, 30, 60, 300, 900],
    registers,
  });
  const reports = new Counter({
    name: 'belfry_source_reports_total',
    help: 'Full reports of properties handed to intake',
    labelNames: ['source'],
    registers,
  });
  const held = new Gauge({
    name: 'belfry_source_held_properties',
    help: 'Properties whose sudden drop waits for a confirming reading',
    labelNames: ['source'],
    registers,
  });
  const quarantined = new Counter({
    name: 'belfry_source_quarantined_rows_total',
    help: `Rows without a usable BBL, by reason: ${QUARANTINE_REASONS.join(', ')}`,
    labelNames: ['source', 'reason'],
    registers,
  });
  const unknown = new Counter({
    name: 'belfry_source_unknown_values_total',
    help: 'Values of the city that no rule knows; an unknown status counts as open, an unknown severity as medium',
    labelNames: ['source', 'field'],
    registers,
  });
  const watched = new Gauge({
    name: 'belfry_source_watched_properties',
    help: 'Properties that are watched at the city',
    registers,
  });

  // Each asks by itself: metrics are collected side by side, and one cannot wait for another.
  new Gauge({
    name: 'belfry_source_state',
    help: 'Which state a source is in; 1 for the present one',
    labelNames: ['source', 'state'],
    registers,
    async collect() {
      for (const { source, state } of await states()) {
        for (const name of SOURCE_STATES) this.set({ source, state: name }, state === name ? 1 : 0);
      }
    },
  });
  new Gauge({
    name: 'belfry_source_checked_timestamp_seconds',
    help: 'When the city was last read successfully',
    labelNames: ['source'],
    registers,
    async collect() {
      for (const { source, checked_at } of await states())
        if (checked_at !== undefined) this.set({ source }, checked_at);
    },
  });
  new Gauge({
    name: 'belfry_source_data_timestamp_seconds',
    help: 'When the city last changed the dataset',
    labelNames: ['source'],
    registers,
    async collect() {
      for (const { source, data_as_of } of await states())
        if (data_as_of !== undefined) this.set({ source }, data_as_of);
    },
  });

  return {
    attempt: ({ name: source }, result, seconds) => requests.observe({ source, result }, seconds),
    poll: ({ name: source }, result, seconds) => polls.observe({ source, result }, seconds),
    reports: ({ name: source }, count) => reports.inc({ source }, count),
    held: ({ name: source }, properties) => held.set({ source }, properties),
    quarantined: ({ name: source }, reason, rows) => quarantined.inc({ source, reason }, rows),
    unknownValue: ({ name: source }, field) => unknown.inc({ source, field }),
    watched: (properties) => watched.set(properties),
    dispose: () => {
      for (const name of NAMES) registry.removeSingleMetric(name);
    },
  };
}
