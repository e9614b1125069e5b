/** What operators see of alerts, beside the queues. */
import { WAYS } from '@belfry/shared/preferences';
import { Counter, type Registry } from '@belfry/shared/service';

export interface AlertMetrics {
  readonly deliveries: Counter<'way' | 'result'>;
  readonly gaps: Counter;
  readonly skipped: Counter<'what'>;
}

export function createAlertMetrics(registry: Registry): AlertMetrics {
  const registers = [registry];
  const deliveries = new Counter({
    name: 'belfry_alert_deliveries_total',
    help: 'Alerts by way and by what became of them; dead ones are kept in the queue of failed jobs',
    labelNames: ['way', 'result'],
    registers,
  });
  // From the start on, so that the first one that is given up is an increase and not a new series.
  for (const way of WAYS) for (const result of ['delivered', 'dead']) deliveries.inc({ way, result }, 0);
  return {
    deliveries,
    skipped: new Counter({
      name: 'belfry_alert_skipped_total',
      help: 'Events and preferences that no alert could be made of, and that were passed over',
      labelNames: ['what'],
      registers,
    }),
    gaps: new Counter({
      name: 'belfry_alert_gaps_total',
      help: 'Times events had left the log before they were matched against rules',
      registers,
    }),
  };
}
