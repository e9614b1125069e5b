/** The changes that the load reports: each brings exactly one event, and can be known by it. */
import { propertyId, violationType } from '../names.js';

/** Violations of one type that are open at a time: the facts stay small however long a run is. */
const OPEN = 3;

export interface LoadChange {
  readonly property_id: string;
  readonly violation_type: string;
  readonly message: string;
  readonly added: readonly { readonly number: string }[];
  readonly resolved: readonly string[];
}

export function changeOf(property: number, n: number): LoadChange {
  return {
    property_id: propertyId(property),
    violation_type: violationType(n),
    message: `n${n}`,
    added: [{ number: `v${n}` }],
    resolved: n > OPEN ? [`v${n - OPEN}`] : [],
  };
}

/** Which change an intake entry's JSON is; undefined for what the load did not report so. */
export function readChange(text: string): { readonly property: number; readonly n: number } | undefined {
  const match = /"property_id":"1(\d{9})".*"message":"n(\d+)"/.exec(text);
  return match ? { property: Number(match[1]), n: Number(match[2]) } : undefined;
}

/** What no publisher may choke on, as fields of an intake entry. */
export const POISON: readonly (readonly string[])[] = [
  ['change', '{"property_id":"1000000001","violation_type":"HPD","count":'],
  ['change', '[]'],
  ['change', 'null'],
  ['change', '{"property_id":{"a":1},"violation_type":"HPD","count":1,"message":"n4000000"}'],
  ['change', '{"property_id":"1000000001","violation_type":"HPD","count":-1,"message":"n4000000"}'],
  ['change', '{"property_id":"1000000001","violation_type":"__proto__ ","added":[{"number":1}],"message":"n4000000"}'],
  ['change', `{"property_id":"1000000001","violation_type":"HPD","added":[{"number":"${'9'.repeat(100_000)}"}]}`],
  ['event', '{"channel":"property:1000000001","type":"RESYNC","message":"n4000000"}'],
  ['event', '{"channel":"nowhere","type":"NEWS"}'],
  ['change', '{}', 'event', '{}'],
  ['nothing', 'of ours'],
];
