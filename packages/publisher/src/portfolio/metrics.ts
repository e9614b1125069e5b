/** What operators see of portfolios. */
import { Counter, type Registry } from '@belfry/shared/service';

export type KpiMetrics = ReturnType<typeof createKpiMetrics>;

export function createKpiMetrics(registry: Registry) {
  const counter = (name: string, help: string) => new Counter({ name, help, registers: [registry] });
  return {
    counted: counter('belfry_kpi_counts_total', 'Portfolios counted for users who are connected'),
    sent: counter('belfry_kpi_updates_total', 'Events kpi:update sent'),
    gaps: counter(
      'belfry_kpi_gaps_total',
      'Times changes may have been missed, as before a start, and portfolios were counted anew',
    ),
  };
}
