/** Takes entries apart by share. Every publisher reads the whole stream, and checks only what it holds. */

import { shareOf } from '../leases/shares.js';
import {
  channelMeant,
  checkEntry,
  type IntakeEntry,
  type IntakeItem,
  lengthOf,
  type OpenedEntry,
  openEntry,
  type ParsedEntry,
} from './entry.js';
import type { LaneWork } from './lane.js';

export interface DispatchOptions {
  /** Into how many shares the intake is cut. */
  readonly shares: number;
  /** Items of one channel that an entry may have. */
  readonly maxItemsPerChannel: number;
}

/** Hands each part of an entry to the share that it belongs to; `holds` says which shares are wanted. */
export type Dispatch = (
  entry: IntakeEntry,
  holds: (share: number) => boolean,
  offer: (share: number, work: LaneWork) => void,
) => void;

export function createDispatch({ maxItemsPerChannel, shares }: DispatchOptions): Dispatch {
  return (entry, holds, offer) => {
    const { id } = entry;
    const weight = lengthOf(entry);
    const opened = openEntry(entry);
    if ('error' in opened) {
      const home = shareOf(entry.id, shares);
      if (holds(home)) offer(home, { id, entry, weight, dead: opened.error });
      return;
    }
    const meant = opened.inputs.map((input) => {
      const channel = channelMeant(opened.kind, input);
      return shareOf(channel ?? entry.id, shares);
    });
    const [home = shareOf(entry.id, shares)] = meant;
    if (!holds(home) && !meant.some(holds)) return;
    const checked = checkOrRefuse(opened, maxItemsPerChannel);
    if ('error' in checked) {
      if (holds(home)) offer(home, { id, entry, weight, dead: checked.error });
      return;
    }
    const { items, key } = checked.content;
    const [only] = items;
    if (only && items.length === 1) offer(home, { id, entry, weight, key, items });
    else
      for (const [share, part] of byShare(items, meant)) {
        if (holds(share)) offer(share, { id, entry, weight, key, items: part });
      }
  };
}

/** Whatever is thrown over an entry: without this it would be read again for ever, and nothing behind it. */
function checkOrRefuse(opened: OpenedEntry, maxItemsPerChannel: number): ParsedEntry {
  try {
    return checkEntry(opened, maxItemsPerChannel);
  } catch (error) {
    return { error: `cannot be checked: ${(error as Error).message}` };
  }
}

function byShare(items: readonly IntakeItem[], shares: readonly number[]): Map<number, IntakeItem[]> {
  const parts = new Map<number, IntakeItem[]>();
  for (const [index, item] of items.entries()) {
    const share = shares[index] ?? 0;
    const part = parts.get(share);
    if (part) part.push(item);
    else parts.set(share, [item]);
  }
  return parts;
}
