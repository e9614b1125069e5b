/** A rule in one line, for people. */
import type { AlertRule, Way } from '../session/gateway-api.js';
import { SEVERITY_NAMES } from '../state/severity.js';

export const WAY_NAMES: Readonly<Record<Way, string>> = { email: 'e-mail', sms: 'SMS', webhook: 'webhook' };

export function describe({ digest, min_severity, properties, quiet_hours, types, via }: AlertRule): string {
  const least = SEVERITY_NAMES[min_severity].toLowerCase();
  const what = `${types?.join(', ') ?? 'All types'}, ${min_severity === 'critical' ? least : `${least} and above`}`;
  const count = properties.length === 1 ? '1 property' : `${properties.length} properties`;
  const where = properties === '*' ? 'all properties' : count;
  const how = via.map((way) => WAY_NAMES[way]).join(' and ');
  const when = digest === 'none' ? 'at once' : digest;
  const quiet = quiet_hours ? `, quiet ${quiet_hours.from}–${quiet_hours.to}` : '';
  return `${what}, at ${where}: by ${how}, ${when}${quiet}`;
}
