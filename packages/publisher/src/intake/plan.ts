/**
 * What intake entries do to one channel, worked out against what is known of it. Pure: applied to the same facts, the
 * same entries give the same events, whoever works them out.
 */
import type { AppendEntry, NewEvent } from '@belfry/shared/log';
import { applyPatch, documentIn, isPatch, isRemoval } from '../changes/board.js';
import { detect } from '../changes/detect.js';
import { MAX_EVENT_LENGTH, serviceEventBody, snapshotKeyOf } from '../changes/event.js';
import { encodeFacts, type Facts, recentWith } from '../changes/facts.js';
import type { ServiceEvent } from '../changes/service-event.js';
import { violationUpdateBody } from '../changes/update.js';
import type { IntakeItem } from './entry.js';
import { compareIds, millisecondsOf } from './id.js';

/** The part of an intake entry that concerns one channel. */
export interface ChannelWork {
  readonly id: string;
  /** The idempotency key. */
  readonly key: string | undefined;
  readonly items: readonly IntakeItem[];
}

export interface ChannelState {
  /** The lane's position in the channel; undefined where it is not known and not needed. */
  readonly applied: string | undefined;
  readonly byType: ReadonlyMap<string, Facts | undefined>;
  /** Entries of the snapshot that patches apply to. */
  readonly snapshot?: ReadonlyMap<string, string | undefined>;
  /** The idempotency keys that were seen before; undefined where nobody asked, and the append looks itself. */
  readonly seen: ReadonlySet<string> | undefined;
}

export interface Plan {
  readonly entries: readonly AppendEntry[];
  /** Ids that the channel has had already. */
  readonly repeated: readonly string[];
  /** The facts once `entries` are applied. */
  readonly byType: ReadonlyMap<string, Facts | undefined>;
}

export function planChannel(state: ChannelState, works: readonly ChannelWork[]): Plan {
  const { applied } = state;
  const entries: AppendEntry[] = [];
  const repeated: string[] = [];
  const byType = new Map(state.byType);
  let { seen } = state;
  const eventOf = createEvents(state.snapshot);
  for (const work of works) {
    const { id, key } = work;
    if (applied !== undefined && compareIds(id, applied) <= 0) {
      repeated.push(id);
    } else if (key === undefined || seen === undefined) {
      entries.push({ ...effectOf(work, byType, eventOf), idempotencyKey: key });
    } else if (seen.has(key)) {
      // Nothing happens, but the lane moves on: the entry is worked off.
      entries.push({ intakeId: id, events: [] });
    } else {
      seen = new Set(seen).add(key);
      entries.push({ ...effectOf(work, byType, eventOf), idempotencyKey: key });
    }
  }
  return { entries, repeated, byType };
}

function effectOf({ id, items }: ChannelWork, byType: Map<string, Facts | undefined>, eventOf: EventOf): AppendEntry {
  const at = millisecondsOf(id) / 1000;
  const events: NewEvent[] = [];
  let facts: Record<string, string> | undefined;
  for (const item of items) {
    if (item.kind === 'event') {
      events.push(eventOf(item.event, at));
      continue;
    }
    const { change } = item;
    const type = change.violation_type;
    const before = byType.get(type);
    const after = detect(before, change);
    if (after.facts !== before) {
      const { count, open, severity } = after.facts;
      const happened = change.timestamp ?? at;
      const recent = recentWith(before?.recent, after.detection?.newViolations ?? 0, happened, at);
      const resolved = recentWith(before?.resolved, after.detection?.resolved ?? 0, happened, at);
      const known: Facts = { count, open, severity, recent, resolved };
      byType.set(type, known);
      // Without a prototype: a violation type may have any name.
      facts ??= Object.create(null) as Record<string, string>;
      facts[type] = encodeFacts(known);
    }
    if (after.detection) {
      events.push({ key: `violations:${type}`, body: violationUpdateBody(change, after.detection, at) });
    }
  }
  return { intakeId: id, events, facts };
}

type EventOf = (event: ServiceEvent, at: number) => NewEvent;

/** Makes events of services' events, one after the other: patches apply to what the ones before left. */
function createEvents(snapshot: ReadonlyMap<string, string | undefined> | undefined): EventOf {
  let bodies: Map<string, string | undefined> | undefined;
  return (given, at) => {
    const key = snapshotKeyOf(given);
    if (key === undefined) return { key, body: serviceEventBody(given, at) };
    bodies ??= new Map(snapshot);
    const event = isPatch(given) ? applyPatch(given, documentIn(bodies.get(key)), MAX_EVENT_LENGTH) : given;
    const body = serviceEventBody(event, at);
    const removes = isRemoval(event);
    bodies.set(key, removes ? undefined : body);
    return { key, body, ...(removes ? { removes } : {}) };
  };
}
