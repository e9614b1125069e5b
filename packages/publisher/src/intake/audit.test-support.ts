/**
 * The auditor of the fault tests: every change in them reports another count, so each must have made exactly one event,
 * and the events of a property must show the counts in the order in which they were accepted.
 */
import type { TestRedis } from '@belfry/testkit';

/** Counts per property, in order. */
export type Counts = ReadonlyMap<string, readonly number[]>;

export interface Audit {
  readonly audited: number;
  readonly lost: number;
  readonly doubled: number;
  readonly reordered: number;
}

export const CLEAN = { lost: 0, doubled: 0, reordered: 0 };

export function audit(accepted: Counts, found: Counts): Audit {
  let audited = 0;
  let lost = 0;
  let doubled = 0;
  let reordered = 0;
  for (const property of new Set([...accepted.keys(), ...found.keys()])) {
    const wanted = accepted.get(property) ?? [];
    const got = found.get(property) ?? [];
    const order = new Map(wanted.map((count, index) => [count, index]));
    const seen = new Set<number>();
    let last = -1;
    for (const count of got) {
      audited += 1;
      if (seen.has(count)) doubled += 1;
      seen.add(count);
      const at = order.get(count) ?? -1;
      if (at < last) reordered += 1;
      last = Math.max(last, at);
    }
    lost += wanted.filter((count) => !seen.has(count)).length;
  }
  return { audited, lost, doubled, reordered };
}

/** What the channels of `properties` hold. */
export async function countsOfChannels(redis: TestRedis, properties: Iterable<string>): Promise<Counts> {
  const connection = redis.connect();
  const found = new Map<string, number[]>();
  for (const property of properties) {
    const rows = await connection.xrange(`belfry:{property:${property}}:log`, '-', '+');
    found.set(
      property,
      rows.flatMap(([, fields]) => countOf(fields)),
    );
  }
  return found;
}

/** What `global` holds, by property. */
export async function countsOfGlobal(redis: TestRedis): Promise<Counts> {
  const rows = await redis.connect().xrange('belfry:{global}:log', '-', '+');
  const found = new Map<string, number[]>();
  for (const [, fields] of rows) {
    if (fields[0] !== 'd') continue;
    const { property_id: property } = JSON.parse(fields[1] ?? '') as { property_id: string };
    found.set(property, [...(found.get(property) ?? []), ...countOf(fields)]);
  }
  return found;
}

function countOf(fields: readonly string[]): number[] {
  return fields[0] === 'd' ? [(JSON.parse(fields[1] ?? '') as { count: number }).count] : [];
}
