/** The log with its appends measured: how long they take, how often a channel begins a new epoch. */
import type { LogWriter } from '@belfry/shared/log';
import type { PublisherMetrics } from './metrics.js';

export function measuredLog(log: LogWriter, metrics: PublisherMetrics): LogWriter {
  return {
    facts: log.facts,
    applied: log.applied,
    append(request) {
      const started = performance.now();
      return log.append(request).then((outcome) => {
        metrics.appendSeconds.observe((performance.now() - started) / 1000);
        if (outcome.status === 'ok' && outcome.epochChanged) metrics.epochChanges.inc();
        return outcome;
      });
    },
  };
}
