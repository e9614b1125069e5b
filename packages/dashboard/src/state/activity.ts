/** What happened, newest first: each event once, however often and by whichever way it arrives. */
import type { EventMessage, Severity } from '@belfry/client';
import { isViolationUpdate } from './properties.js';
import { severityOf } from './severity.js';

/**
 * How it came: with the first snapshot, as it happened, after an absence, by polling, or kept from an earlier page.
 */
export type Origin = 'snapshot' | 'live' | 'replay' | 'polled' | 'kept';

export interface Activity {
  /** Channel and position. */
  readonly key: string;
  readonly channel: string;
  readonly type: string;
  readonly property: string | undefined;
  /** Of which kind it is, in words. */
  readonly label: string;
  /** Empty where the event has none. */
  readonly message: string;
  readonly severity: Severity;
  /** Seconds since 1970. */
  readonly timestamp: number;
  readonly added: number;
  readonly resolved: number;
  readonly origin: Origin;
}

/** What the activity page shows, and what is kept for the next visit. */
export const ACTIVITY_LIMIT = 300;

const PROPERTY = 'property:';

/** An event of a service need not name its property: its channel does. */
function propertyOf({ channel, property_id: named }: EventMessage): string | undefined {
  if (typeof named === 'string') return named;
  return channel.startsWith(PROPERTY) ? channel.slice(PROPERTY.length) : undefined;
}

/** `application_submitted`, `lease.signed` and `SYSTEM_NOTIFICATION` as people write them; `NYC` is a word already. */
function inWords(type: string): string {
  const words = type
    .replace(/([a-z\d])([A-Z])/g, '$1 $2')
    .split(/[\s_.:-]+/)
    .filter((word) => word !== '');
  if (words.length < 2 && type === type.toUpperCase()) return type;
  const text = words.join(' ').toLowerCase();
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function activityOf(event: EventMessage, origin: Origin): Activity {
  return {
    key: `${event.channel}|${event.id}`,
    channel: event.channel,
    type: event.type,
    property: propertyOf(event),
    label: isViolationUpdate(event) ? event.violation_type : inWords(event.type),
    message: typeof event.message === 'string' ? event.message : '',
    severity: severityOf(event.severity),
    timestamp: event.timestamp,
    added: isViolationUpdate(event) ? event.new_violations : 0,
    resolved: isViolationUpdate(event) ? event.resolved : 0,
    origin,
  };
}

/** Epoch, then offset: of what has the same time, the order in its channel decides. */
const positionOf = ({ key }: Activity): readonly string[] => key.slice(key.indexOf('|') + 1).split('-');

function newestFirst(a: Activity, b: Activity): number {
  if (a.timestamp !== b.timestamp) return b.timestamp - a.timestamp;
  if (a.channel !== b.channel) return a.channel < b.channel ? 1 : -1;
  const [epochA, offsetA] = positionOf(a);
  const [epochB, offsetB] = positionOf(b);
  return Number(epochB) - Number(epochA) || Number(offsetB) - Number(offsetA);
}

interface Merged {
  readonly list: readonly Activity[];
  readonly news: readonly Activity[];
  readonly unseen: readonly Activity[];
}

/**
 * Puts `incoming` into `list`. What is there already stays as it is, unless it was only part of a snapshot: then the
 * event itself says more.
 * @returns the new list, what was news in it, and what of that was not even part of a snapshot before
 */
export function merge(list: readonly Activity[], incoming: readonly Activity[]): Merged {
  const known = new Map(list.map((entry) => [entry.key, entry]));
  const news: Activity[] = [];
  const unseen: Activity[] = [];
  for (const entry of incoming) {
    const before = known.get(entry.key);
    if (before && (before.origin !== 'snapshot' || entry.origin === 'snapshot')) continue;
    known.set(entry.key, entry);
    news.push(entry);
    if (!before) unseen.push(entry);
  }
  if (news.length === 0) return { list, news, unseen };
  const merged = [...known.values()].sort(newestFirst);
  return { list: merged.slice(0, ACTIVITY_LIMIT), news, unseen };
}

export interface Bucket {
  /** Milliseconds since 1970 at which it begins. */
  readonly at: number;
  readonly added: number;
  readonly resolved: number;
}

/** New and resolved violations per bucket, for the last `count` buckets of `widthMs`. */
export function overTime(finer: readonly Bucket[], now: number, count: number, widthMs: number): Bucket[] {
  const last = Math.floor(now / widthMs) * widthMs;
  const buckets = Array.from({ length: count }, (_, index) => ({
    at: last - (count - 1 - index) * widthMs,
    added: 0,
    resolved: 0,
  }));
  const first = buckets[0]?.at ?? 0;
  for (const { at, added, resolved } of finer) {
    const bucket = buckets[Math.floor((at - first) / widthMs)];
    if (!bucket) continue;
    bucket.added += added;
    bucket.resolved += resolved;
  }
  return buckets;
}
