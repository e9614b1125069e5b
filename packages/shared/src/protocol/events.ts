/**
 * Events: what clients receive on channels. Every event is one JSON object that begins with its position,
 * `{"id":"<epoch>-<offset>",…`, so that a gateway can read the position without parsing the rest.
 */

export const SEVERITIES = ['info', 'low', 'medium', 'high', 'critical'] as const;
export type Severity = (typeof SEVERITIES)[number];

/** The graver of two severities. */
export const worse = (a: Severity, b: Severity): Severity => (SEVERITIES.indexOf(a) >= SEVERITIES.indexOf(b) ? a : b);

/** An event before it has a position: what a publisher appends. */
export interface EventBody {
  readonly type: string;
  readonly channel: string;
  /** Seconds since 1970, with fraction. */
  readonly timestamp: number;
  readonly [field: string]: unknown;
}

/** An event as clients receive it. */
export interface EventMessage extends EventBody {
  readonly id: string;
}

/** One violation, as far as every audience may see it. */
export interface ViolationDetail {
  readonly number: string;
  readonly date?: string;
  readonly class?: string;
  readonly severity?: Severity;
  readonly description?: string;
}

export interface ViolationUpdate extends EventMessage {
  readonly type: 'VIOLATION_UPDATE';
  readonly property_id: string;
  readonly violation_type: string;
  /** Open violations of this type after the change. */
  readonly count: number;
  /** How many of them were not open before it. */
  readonly new_violations: number;
  /** How many were open before and are not any more. */
  readonly resolved: number;
  /** Of what is new, the worst; where nothing is, of what is open. */
  readonly severity: Severity;
  /** All that are open of this type. Left out where none is. */
  readonly open_by_severity?: Readonly<Partial<Record<Severity, number>>>;
  readonly message: string;
  /** The new ones first, then others of which something is known; not all that are open. */
  readonly violations?: readonly ViolationDetail[];
}

/** Puts the position in front of an event body that was encoded without one. The Lua script does the same. */
export const frameOf = (id: string, body: string): string => `{"id":"${id}",${body.slice(1)}`;
