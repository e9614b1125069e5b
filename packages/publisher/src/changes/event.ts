/** Events that services publish as they are, to any channel: checked for form and size, never for meaning. */
import {
  GATEWAY_MESSAGES,
  isBoard,
  isDeeper,
  keyOf,
  MAX_DEPTH,
  parseChannel,
  STATE_UPDATE,
} from '@belfry/shared/protocol';
import { wrongInStateUpdate } from './board.js';
import type { ServiceEvent } from './service-event.js';
import { VIOLATION_UPDATE, wrongInViolationUpdate } from './update.js';

/** An event should stay under the 16 KB that a gateway batches. */
export const MAX_EVENT_LENGTH = 15_000;
const TYPE = /^[A-Za-z][A-Za-z0-9_.:-]{0,63}$/;
const MAX_KEY_LENGTH = 128;
/** Halves of surrogate pairs are all one character in UTF-8, as what is no UTF-8 is: keys that differ in nothing else would be one. */
const NO_UTF8 = /[\p{Surrogate}\ufffd]/u;

export type ParsedEvent = { readonly event: ServiceEvent } | { readonly error: string };

/** Checks one event. The error names the field that is wrong and what is allowed. Never throws. */
export function parseEvent(input: unknown): ParsedEvent {
  if (typeof input !== 'object' || input === null || Array.isArray(input)) {
    return { error: 'an event must be one JSON object' };
  }
  const { channel, type, timestamp, key, id: _, ...data } = input as Readonly<Record<string, unknown>>;
  const parsed = parseChannel(channel);
  if (!parsed) return { error: 'channel: must be property:<id>, user:<id>, role:<role>, state:<name> or global' };
  if (typeof type !== 'string' || !TYPE.test(type)) {
    return { error: 'type: must be a letter and up to 63 letters, digits, "_", ".", ":" or "-"' };
  }
  if (Object.hasOwn(GATEWAY_MESSAGES, type)) return { error: `type: ${type} is a message of the gateway’s own` };
  if (timestamp !== undefined && !(typeof timestamp === 'number' && timestamp > 0 && timestamp <= 1e11)) {
    return { error: 'timestamp: must be seconds since 1970' };
  }
  if (key !== undefined && !(typeof key === 'string' && key !== '' && key.length <= MAX_KEY_LENGTH)) {
    return { error: `key: must be text of 1 to ${MAX_KEY_LENGTH} characters` };
  }
  if (key !== undefined && NO_UTF8.test(key)) {
    return { error: 'key: must not have U+FFFD or half of a surrogate pair in it: UTF-8 does not tell them apart' };
  }
  const wrong =
    (type === STATE_UPDATE && wrongInStateUpdate(parsed, key, data)) ||
    (type === VIOLATION_UPDATE && wrongInViolationUpdate(data));
  if (wrong) return { error: wrong };
  if (isDeeper(data, MAX_DEPTH)) return { error: `an event must not be nested deeper than ${MAX_DEPTH} levels` };
  const event: ServiceEvent = {
    channel: parsed.channel,
    type,
    ...(timestamp === undefined ? {} : { timestamp }),
    ...(key === undefined ? {} : { key }),
    ...data,
  };
  if (JSON.stringify(event).length > MAX_EVENT_LENGTH) {
    return { error: `an event must not be longer than ${MAX_EVENT_LENGTH} characters` };
  }
  return { event };
}

/**
 * The event's body as JSON, `channel` first, without `id`. In two parts, because in one object fields whose names are
 * whole numbers would come before all others. @param at seconds, where the event names no time
 */
export function serviceEventBody({ channel, type, timestamp, ...data }: ServiceEvent, at: number): string {
  const head = JSON.stringify({ channel, type, timestamp: timestamp ?? at });
  const rest = JSON.stringify(data);
  return rest === '{}' ? head : `${head.slice(0, -1)},${rest.slice(1)}`;
}

/** A board's events replace each other whether or not they name a key. */
export function snapshotKeyOf({ channel, key, type }: ServiceEvent): string | undefined {
  if (isBoard(channel)) return `event:${keyOf({ key, type })}`;
  return key === undefined ? undefined : `event:${key}`;
}
