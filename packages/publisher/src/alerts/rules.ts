/** Which alerts an event makes for a user: pure, so that it can be tested case by case. */

import type { AlertRule, Preferences, Way } from '@belfry/shared/preferences';
import { SEVERITIES, type Severity, type ViolationUpdate } from '@belfry/shared/protocol';
import { quietForMs } from './quiet-hours.js';

export interface Alert {
  readonly rule: string;
  readonly way: Way;
  readonly digest: AlertRule['digest'];
  /** Milliseconds that it has to wait. */
  readonly delayMs: number;
}

const rank = (severity: Severity): number => SEVERITIES.indexOf(severity);

/** One alert per way at most, by the first rule that asks for it: nobody wants the same message twice. */
export function alertsFor(preferences: Preferences, event: ViolationUpdate, nowMs: number): Alert[] {
  // What was resolved, or was there when a property was first read, is no alarm.
  if (event.new_violations === 0) return [];
  const alerts = new Map<Way, Alert>();
  for (const rule of preferences.rules) {
    if (!concerns(rule, event)) continue;
    const critical = event.severity === 'critical';
    const delayMs = rule.quiet_hours && !critical ? quietForMs(rule.quiet_hours, nowMs) : 0;
    for (const way of rule.via) {
      if (!alerts.has(way)) alerts.set(way, { rule: rule.id, way, digest: critical ? 'none' : rule.digest, delayMs });
    }
  }
  return [...alerts.values()];
}

const concerns = (rule: AlertRule, event: ViolationUpdate): boolean =>
  (rule.properties === '*' || rule.properties.includes(event.property_id)) &&
  (rule.types === undefined || rule.types.includes(event.violation_type)) &&
  rank(event.severity) >= rank(rule.min_severity);
