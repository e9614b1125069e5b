/** What is known of each property: pure functions from snapshots and events to the next state. */
import type { ChannelState, EventMessage, Severity, ViolationUpdate } from '@belfry/client';
import { rank, severityOf, worst } from './severity.js';

export interface Property {
  readonly id: string;
  readonly phase: 'loading' | 'ready' | 'refused';
  /** Why it is refused. */
  readonly error: string | undefined;
  readonly types: ReadonlyMap<string, ViolationUpdate>;
  readonly open: number;
  /** The worst severity among types with open violations. */
  readonly severity: Severity | undefined;
  /** Seconds since 1970, of the newest event. */
  readonly updatedAt: number | undefined;
  /** Counts the live changes since the page was opened: what changes makes the badge flash. */
  readonly changes: number;
}

export const newProperty = (id: string): Property => ({
  id,
  phase: 'loading',
  error: undefined,
  types: new Map(),
  open: 0,
  severity: undefined,
  updatedAt: undefined,
  changes: 0,
});

export const isViolationUpdate = (event: EventMessage): event is ViolationUpdate =>
  event.type === 'VIOLATION_UPDATE' && typeof event.violation_type === 'string' && typeof event.count === 'number';

/** A snapshot replaces everything. */
export function withState(property: Property, state: ChannelState): Property {
  const types = new Map<string, ViolationUpdate>();
  for (const event of state.events) if (isViolationUpdate(event)) types.set(event.violation_type, event);
  return summed({ ...property, phase: 'ready', error: undefined, types });
}

export function withEvent(property: Property, event: EventMessage): Property {
  if (!isViolationUpdate(event)) return property;
  const types = new Map(property.types).set(event.violation_type, event);
  return summed({ ...property, types, changes: property.changes + 1 });
}

function summed(property: Property): Property {
  let open = 0;
  let severity: Severity | undefined;
  let updatedAt: number | undefined;
  for (const type of property.types.values()) {
    open += type.count;
    if (type.count > 0) severity = worst(severity, type.severity);
    updatedAt = Math.max(updatedAt ?? 0, type.timestamp);
  }
  return { ...property, open, severity, updatedAt };
}

/** Whether a snapshot of one of them has come. */
export function anyReady(properties: Iterable<Property>): boolean {
  for (const { phase } of properties) if (phase === 'ready') return true;
  return false;
}

/**
 * Open violations by severity: each its own where it is told of singly, else that of the report. Those for which an
 * update had no more room count as the mildest of those that it names.
 */
export function bySeverity(properties: Iterable<Property>): Map<Severity, number> {
  const counts = new Map<Severity, number>();
  const add = (severity: Severity, count: number): void => {
    if (count > 0) counts.set(severity, (counts.get(severity) ?? 0) + count);
  };
  for (const { types } of properties) {
    for (const { count, severity, violations = [] } of types.values()) {
      const told = violations.slice(0, count).map((violation) => severityOf(violation.severity ?? severity));
      for (const each of told) add(each, 1);
      add(told.toSorted((a, b) => rank(a) - rank(b))[0] ?? severity, count - told.length);
    }
  }
  return counts;
}

export function byType(properties: Iterable<Property>): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { types } of properties) {
    for (const { violation_type, count } of types.values()) {
      if (count > 0) counts.set(violation_type, (counts.get(violation_type) ?? 0) + count);
    }
  }
  return counts;
}
