/**
 * What an entry of the intake stream is, whoever wrote it: the field `change` (one change as JSON, or an array of them)
 * or `event` (likewise), and optionally `key`, by which a repetition is known.
 */
import { isChannelId, parseChannel, propertyChannel } from '@belfry/shared/protocol';
import { type Change, parseChange } from '../changes/change.js';
import { parseEvent } from '../changes/event.js';
import type { ServiceEvent } from '../changes/service-event.js';

/** One entry as Redis returns it: names and values in turn. */
export interface IntakeEntry {
  readonly id: string;
  readonly fields: readonly string[];
}

/** How many characters an entry has. */
export function lengthOf(entry: IntakeEntry): number {
  let length = 0;
  for (const field of entry.fields) length += field.length;
  return length;
}

export type IntakeItem =
  | { readonly kind: 'change'; readonly channel: string; readonly change: Change }
  | { readonly kind: 'event'; readonly channel: string; readonly event: ServiceEvent };

export interface EntryContent {
  readonly items: readonly IntakeItem[];
  /** The idempotency key. */
  readonly key: string | undefined;
}

export type ParsedEntry = { readonly content: EntryContent } | { readonly error: string };

export const MAX_IDEMPOTENCY_KEY_LENGTH = 256;
/** What is read in place of bytes that are no UTF-8: keys that differ in nothing else have become one. */
const UNREADABLE = '\ufffd';
/** Who has more to report writes several entries: one is worked on, and applied, as a whole. */
const MAX_ITEMS_PER_ENTRY = 1_000;

/** An entry whose JSON was read but not yet checked. */
export interface OpenedEntry {
  readonly kind: 'change' | 'event';
  readonly inputs: readonly unknown[];
  readonly key: string | undefined;
}

/** Reads the JSON of an entry. Cheap beside `checkEntry`: enough to tell whose entry it is. */
export function openEntry(entry: IntakeEntry): OpenedEntry | { readonly error: string } {
  let kind: OpenedEntry['kind'] | undefined;
  let text = '';
  let key: string | undefined;
  for (let n = 0; n + 1 < entry.fields.length; n += 2) {
    const name = entry.fields[n];
    const value = entry.fields[n + 1] as string;
    if (name === 'key') key = value === '' ? undefined : value;
    else if (name === 'change' || name === 'event') {
      if (kind) return { error: 'an entry has one field `change` or one field `event`' };
      kind = name;
      text = value;
    }
  }
  if (!kind) return { error: 'an entry needs a field `change` or a field `event`' };
  if (key && key.length > MAX_IDEMPOTENCY_KEY_LENGTH) {
    return { error: `key: must not be longer than ${MAX_IDEMPOTENCY_KEY_LENGTH} characters` };
  }
  if (key?.includes(UNREADABLE)) return { error: 'key: must be text in UTF-8; other bytes are all read as U+FFFD' };
  try {
    const input: unknown = JSON.parse(text);
    return { kind, inputs: Array.isArray(input) ? input : [input], key };
  } catch (error) {
    return { error: `${kind}: is not JSON: ${(error as Error).message}` };
  }
}

/** The channel that an input means to reach, before it was checked; undefined where that cannot be told. */
export function channelMeant(kind: OpenedEntry['kind'], input: unknown): string | undefined {
  if (typeof input !== 'object' || input === null) return undefined;
  const { property_id: propertyId, channel } = input as { property_id?: unknown; channel?: unknown };
  if (kind === 'event') return parseChannel(channel)?.channel;
  return isChannelId(propertyId) ? propertyChannel(propertyId) : undefined;
}

/** Checks everything in an entry. One wrong item makes all of it wrong: an entry is applied as a whole. */
export function checkEntry(opened: OpenedEntry, maxItemsPerChannel: number): ParsedEntry {
  const { inputs, key, kind } = opened;
  if (inputs.length === 0) return { error: `${kind}: is an empty array` };
  if (inputs.length > MAX_ITEMS_PER_ENTRY) {
    return { error: `an entry must not have more than ${MAX_ITEMS_PER_ENTRY} items` };
  }
  const items: IntakeItem[] = [];
  for (const [index, input] of inputs.entries()) {
    const parsed = kind === 'change' ? changeItem(input) : eventItem(input);
    if ('error' in parsed) return { error: inputs.length === 1 ? parsed.error : `item ${index}: ${parsed.error}` };
    items.push(parsed);
  }
  const crowded = items.length > maxItemsPerChannel ? mostOfOneChannel(items) : 0;
  if (crowded > maxItemsPerChannel) {
    return { error: `${crowded} items of one channel; an entry must not have more than ${maxItemsPerChannel}` };
  }
  return { content: { items, key } };
}

function changeItem(input: unknown): IntakeItem | { readonly error: string } {
  const parsed = parseChange(input);
  if ('error' in parsed) return parsed;
  return { kind: 'change', channel: propertyChannel(parsed.change.property_id), change: parsed.change };
}

function eventItem(input: unknown): IntakeItem | { readonly error: string } {
  const parsed = parseEvent(input);
  if ('error' in parsed) return parsed;
  return { kind: 'event', channel: parsed.event.channel, event: parsed.event };
}

function mostOfOneChannel(items: readonly IntakeItem[]): number {
  const counts = new Map<string, number>();
  for (const { channel } of items) counts.set(channel, (counts.get(channel) ?? 0) + 1);
  return Math.max(...counts.values());
}
