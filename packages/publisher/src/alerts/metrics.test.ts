import { createMetrics } from '@belfry/shared/service';
import { expect, it } from 'vitest';
import { createAlertMetrics } from './metrics.js';

it('the first delivery that is given up is an increase: every way is counted from the start', async () => {
  const registry = createMetrics('publisher', '0.0.0');
  createAlertMetrics(registry);
  const text = await registry.metrics();
  for (const way of ['webhook', 'email', 'sms']) {
    expect(text).toMatch(new RegExp(`belfry_alert_deliveries_total\\{way="${way}",result="dead"[^}]*\\} 0`));
  }
});
