/** Severities, from the least to the worst, and what they are called. */
import type { Severity } from '@belfry/client';

export const SEVERITIES: readonly Severity[] = ['info', 'low', 'medium', 'high', 'critical'];

const isSeverity = (value: unknown): value is Severity => (SEVERITIES as readonly unknown[]).includes(value);

export const severityOf = (value: unknown): Severity => (isSeverity(value) ? value : 'info');

export const rank = (severity: Severity | undefined): number => (severity ? SEVERITIES.indexOf(severity) : -1);

export const worst = (a: Severity | undefined, b: Severity | undefined): Severity | undefined =>
  rank(a) >= rank(b) ? a : b;

export const SEVERITY_NAMES: Readonly<Record<Severity, string>> = {
  info: 'Info',
  low: 'Low',
  medium: 'Medium',
  high: 'High',
  critical: 'Critical',
};
