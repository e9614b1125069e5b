/**
 * What was seen by anybody, each thing once: which change stood at which position, which snapshots were sent, who went
 * from one epoch to the next. Checked at the end, when the chains say what the log was.
 */

import { MAX_EVENTS } from '../cluster/cluster.js';
import { BULK, CANARY_PROPERTY, channelName, GLOBAL, nOfChange, propertyOfChange, VIOLATION_TYPES } from '../names.js';
import type { Chain, LogPosition } from './chain.js';
import type { Findings } from './findings.js';
import { packEpoch, unpackEpoch } from './record.js';

export interface Snapshot {
  readonly epoch: number;
  readonly offset: number;
  readonly events: readonly { readonly epoch: number; readonly offset: number; readonly change: number }[];
}

export interface Sightings {
  sighted(channel: number, epoch: number, offset: number, change: number): void;
  crossed(channel: number, from: LogPosition, to: LogPosition, eventAtEnd: boolean): void;
  snapshot(channel: number, snapshot: Snapshot): void;
  /** Somebody at `from` was told that there is a gap before `to`. */
  gap(channel: number, from: LogPosition, to: LogPosition): void;
  /** Compares everything with the chains. @param next below these numbers, by property, changes were reported */
  check(chains: ReadonlyMap<number, Chain>, next: ArrayLike<number>): void;
}

interface Crossing {
  readonly channel: number;
  readonly from: LogPosition;
  readonly to: LogPosition;
  readonly eventAtEnd: boolean;
  count: number;
}

/** Steps that are gone back over marks before a crossing is called a gap: several failovers without an event. */
const MAX_MARKS = 100;
/** Half of what the logs of a run keep: certainly still there, also where events came while the gateway answered. */
const CERTAINLY_HELD = MAX_EVENTS / 2;

export function createSightings(findings: Findings, startedAt: number): Sightings {
  /** By channel and epoch: changes by offset, plus one; 0 where none was seen. */
  const seen = new Map<string, number[]>();
  const crossings = new Map<string, Crossing>();
  const gaps = new Map<string, { channel: number; from: LogPosition; to: LogPosition; count: number }>();
  const snapshots = new Map<string, { channel: number; snapshot: Snapshot; text: string }>();
  let lastKey = '';
  let lastList: number[] = [];

  const nameOf = (channel: number, { epoch, offset }: LogPosition): string =>
    `${channelName(channel)} ${unpackEpoch(epoch, startedAt)}-${offset}`;

  function sighted(channel: number, epoch: number, offset: number, change: number): void {
    const key = `${channel} ${epoch}`;
    if (key !== lastKey) {
      lastKey = key;
      let list = seen.get(key);
      if (!list) {
        list = [];
        seen.set(key, list);
      }
      lastList = list;
    }
    const known = lastList[offset];
    if (known === undefined) lastList[offset] = change + 1;
    else if (known !== change + 1) {
      findings.violation(
        'forged',
        () => `${nameOf(channel, { epoch, offset })} is both ${describe(known - 1)} and ${describe(change)}`,
      );
    }
  }

  function checkReported(next: ArrayLike<number>): void {
    for (const [key, list] of seen) {
      const channel = Number(key.split(' ')[0]);
      for (const known of list) {
        if (known === undefined) continue;
        const property = propertyOfChange(known - 1);
        const n = nOfChange(known - 1);
        const wrongChannel = channel !== GLOBAL && channel !== property;
        const ours = property === BULK || property === CANARY_PROPERTY;
        const limit = ours ? Number.POSITIVE_INFINITY : (next[property] ?? 0);
        if (wrongChannel || n < 1 || n >= limit)
          findings.violation('forged', () => `${describe(known - 1)} on ${channelName(channel)} was never reported`);
      }
    }
  }

  /** Going back from `to`, the first event there is has to be the one at `from`; marks do not count. */
  function checkCrossing({ channel, count, eventAtEnd, from, to }: Crossing, chain: Chain | undefined): void {
    const plain = ({ epoch, offset }: LogPosition) => ({ epoch: unpackEpoch(epoch, startedAt), offset });
    const target = plain(from);
    let at: LogPosition | null | undefined = plain(to);
    if (!eventAtEnd && changeAt(chain, channel, at) !== undefined) at = undefined;
    for (let step = 0; at && step < MAX_MARKS; step += 1) {
      const before: LogPosition | null | undefined = chain?.before(at);
      if (before === undefined) {
        checkByContent({ channel, count, eventAtEnd, from, to }, chain);
        return;
      }
      if (before && before.epoch === target.epoch && before.offset === target.offset) {
        findings.count('epochs crossed without a gap', count);
        return;
      }
      if (before && changeAt(chain, channel, before) !== undefined) break;
      at = before;
    }
    findings.violation('lost', () => `${nameOf(channel, to)} directly after ${nameOf(channel, from)}`, count);
  }

  /** The epoch came and went between two readings of the log: what anybody saw in between tells. */
  function checkByContent(crossing: Crossing, chain: Chain | undefined): void {
    const { channel, count, from, to } = crossing;
    if (passedOver(crossing, chain).length === 0)
      findings.count('epochs crossed without a gap, by what was seen', count);
    // So many large events come at once that its log is trimmed before it can be read.
    else if (channel === BULK) findings.count('epochs crossed on the channel of large events, not checked', count);
    else findings.violation('unchecked', () => `${nameOf(channel, to)} directly after ${nameOf(channel, from)}`, count);
  }

  /**
   * Changes that were seen between the two ends. Not those that Redis lost with the end of its log, nor those with a number
   * that does not belong there: they were lost likewise, and appended again behind.
   */
  function passedOver({ channel, eventAtEnd, from, to }: Crossing, chain: Chain | undefined): number[] {
    const known = (at: LogPosition) => (seen.get(`${channel} ${at.epoch}`)?.[at.offset] ?? Number.NaN) - 1;
    const [before, after] = [known(from), eventAtEnd ? known(to) : Number.NaN];
    const passed: number[] = [];
    for (const [key, list] of seen) {
      const [of, epoch] = key.split(' ').map(Number) as [number, number];
      if (of !== channel || epoch < from.epoch || epoch > to.epoch) continue;
      const first = epoch === from.epoch ? from.offset + 1 : 0;
      const end = epoch < to.epoch ? list.length : to.offset + (eventAtEnd ? 0 : 1);
      const plainEpoch = unpackEpoch(epoch, startedAt);
      for (const [index, entry] of list.slice(first, end).entries()) {
        if (chain?.lost({ epoch: plainEpoch, offset: first + index })) continue;
        const outside = channel !== GLOBAL && entry !== undefined && (entry - 1 <= before || entry - 1 >= after);
        if (entry !== undefined && !outside) passed.push(entry - 1);
      }
    }
    return passed;
  }

  function changeAt(chain: Chain | undefined, channel: number, position: LogPosition): number | undefined {
    const known = seen.get(`${channel} ${packEpoch(position.epoch, startedAt)}`)?.[position.offset];
    if (known !== undefined) return known - 1;
    return chain?.entries.find(({ epoch, offset }) => epoch === position.epoch && offset === position.offset)?.change;
  }

  /** A property's snapshot has the last event of each violation type, and none that comes after its position. */
  function checkSnapshot(channel: number, snapshot: Snapshot): void {
    const { epoch, events, offset } = snapshot;
    const problem = (what: string) => findings.violation('wrong state', () => `${nameOf(channel, snapshot)}: ${what}`);
    const list = seen.get(`${channel} ${epoch}`) ?? [];
    const newest = new Map<number, number>();
    for (const event of events) {
      const n = nOfChange(event.change);
      const type = n % VIOLATION_TYPES.length;
      if (newest.has(type)) problem(`two events of one violation type`);
      newest.set(type, n);
      if (event.epoch > epoch || (event.epoch === epoch && event.offset > offset))
        problem(`holds ${nameOf(channel, event)}, which comes later`);
    }
    // Of what stands on `global` nothing goes into a snapshot.
    if (channel === BULK || channel === GLOBAL) return;
    for (let at = 0; at <= offset; at += 1) {
      const known = list[at];
      if (known === undefined) continue;
      const n = nOfChange(known - 1);
      if ((newest.get(n % VIOLATION_TYPES.length) ?? 0) < n) {
        problem(`lacks ${describe(known - 1)} at offset ${at}`);
        return;
      }
    }
  }

  /** A gap is signalled for nothing where the log still held everything behind the client's position. */
  function countNeedless(chains: ReadonlyMap<number, Chain>): void {
    const places = new Map<number, ReadonlyMap<string, number>>();
    const placesOf = (channel: number): ReadonlyMap<string, number> => {
      const known = places.get(channel);
      if (known) return known;
      const entries = chains.get(channel)?.entries ?? [];
      const made = new Map(entries.map(({ epoch, offset }, index) => [`${epoch}-${offset}`, index]));
      places.set(channel, made);
      return made;
    };
    for (const { channel, count, from, to } of gaps.values()) {
      const [start, end] = [from, to].map(({ epoch, offset }) =>
        placesOf(channel).get(`${unpackEpoch(epoch, startedAt)}-${offset}`),
      );
      if (start !== undefined && end !== undefined && end - start < CERTAINLY_HELD)
        findings.count('gaps signalled although the log still reached back', count);
    }
  }

  return {
    sighted,
    gap(channel, from, to) {
      const key = `${channel} ${from.epoch}-${from.offset} ${to.epoch}-${to.offset}`;
      const known = gaps.get(key);
      if (known) known.count += 1;
      else gaps.set(key, { channel, from, to, count: 1 });
    },
    crossed(channel, from, to, eventAtEnd) {
      const key = `${channel} ${from.epoch}-${from.offset} ${to.epoch}-${to.offset} ${eventAtEnd}`;
      const known = crossings.get(key);
      if (known) known.count += 1;
      else crossings.set(key, { channel, from, to, eventAtEnd, count: 1 });
    },
    snapshot(channel, snapshot) {
      for (const event of snapshot.events) sighted(channel, event.epoch, event.offset, event.change);
      const key = `${channel} ${snapshot.epoch}-${snapshot.offset}`;
      const text = snapshot.events
        .map(({ change }) => change)
        .sort((a, b) => a - b)
        .join();
      const known = snapshots.get(key);
      if (!known) snapshots.set(key, { channel, snapshot, text });
      else if (known.text !== text)
        findings.violation('wrong state', () => `${nameOf(channel, snapshot)}: two snapshots of one position differ`);
    },
    check(chains, next) {
      for (const [channel, chain] of chains) {
        for (const { change, epoch, offset } of chain.entries)
          if (change !== undefined) sighted(channel, packEpoch(epoch, startedAt), offset, change);
      }
      checkReported(next);
      for (const crossing of crossings.values()) checkCrossing(crossing, chains.get(crossing.channel));
      for (const { channel, snapshot } of snapshots.values()) checkSnapshot(channel, snapshot);
      countNeedless(chains);
      findings.count(
        'different events seen',
        [...seen.values()].reduce((sum, list) => sum + list.filter(Boolean).length, 0),
      );
    },
  };
}

const describe = (change: number): string => `n${nOfChange(change)} of property ${propertyOfChange(change)}`;
