/**
 * Events: what clients receive on channels. Every event is one JSON object that begins with its position,
 * `{"id":"<epoch>-<offset>",…`, so that a gateway can read the position without parsing the rest.
 */
import { type Position, parsePosition } from './position.js';

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
  readonly severity: Severity;
  readonly message: string;
  readonly violations?: readonly ViolationDetail[];
}

/** `{"id":"` is 7 bytes: where the position begins in an event's frame. */
const ID_AT = 7;
const FRAME_START = '{"id":"';

/** Puts the position in front of an event body that was encoded without one. The Lua script does the same. */
export const frameOf = (id: string, body: string): string => `${FRAME_START}${id}",${body.slice(1)}`;

/** The position of an event's frame, read from its first bytes; undefined when it is no event of ours. */
export function positionOfFrame(frame: {
  toString(encoding: 'latin1', start: number, end: number): string;
}): Position | undefined {
  const head = frame.toString('latin1', 0, 48);
  if (!head.startsWith(FRAME_START)) return undefined;
  const end = head.indexOf('"', ID_AT);
  return end === -1 ? undefined : parsePosition(head.slice(ID_AT, end));
}
