/** What is known of each property: pure functions from snapshots and events to the next state. */
import type { ChannelState, EventMessage, Severity, ViolationUpdate } from '@belfry/client';
import { severityOf, worst } from './severity.js';

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
    severity = worst(severity, worstIn(type));
    updatedAt = Math.max(updatedAt ?? 0, type.timestamp);
  }
  return { ...property, open, severity, updatedAt };
}

/** Whether a snapshot of one of them has come. */
export function anyReady(properties: Iterable<Property>): boolean {
  for (const { phase } of properties) if (phase === 'ready') return true;
  return false;
}

/** Whether their figures say anything: there are none, or a snapshot of one of them has come. */
export const isKnown = (properties: readonly Property[]): boolean => properties.length === 0 || anyReady(properties);

/** The open violations of a type by severity. An update that does not say is one of a publisher from before it did, or a service's. */
const openIn = ({ count, open_by_severity, severity }: ViolationUpdate): [Severity, number][] => {
  if (count === 0) return [];
  const told = Object.entries(open_by_severity ?? {}).filter(([, open]) => typeof open === 'number' && open > 0);
  return told.length === 0 ? [[severity, count]] : told.map(([each, open]) => [severityOf(each), open as number]);
};

/** Undefined where none is open. */
export const worstIn = (type: ViolationUpdate): Severity | undefined =>
  openIn(type).reduce<Severity | undefined>((found, [each]) => worst(found, each), undefined);

export function bySeverity(properties: Iterable<Property>): Map<Severity, number> {
  const counts = new Map<Severity, number>();
  for (const { types } of properties) {
    for (const type of types.values()) {
      for (const [severity, count] of openIn(type)) counts.set(severity, (counts.get(severity) ?? 0) + count);
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
