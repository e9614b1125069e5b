/** Rooms: channels by how many follow them, on this gateway and on all of them. */
import type { HubChannel } from '../channels/hub-channel.js';
import type { CommandOutcome } from '../cluster/commands.js';

export interface Room {
  readonly channel: string;
  readonly followers: number;
}

/** Each gateway names more than it is asked for, so that a channel that is nowhere among the first is still found. */
const MARGIN = 10;

export function roomsHere(channels: ReadonlyMap<string, HubChannel>, top: number): { total: number; rooms: Room[] } {
  const rooms: Room[] = [];
  for (const { name, followers } of channels.values()) if (followers > 0) rooms.push({ channel: name, followers });
  return { total: rooms.length, rooms: sorted(rooms).slice(0, top * MARGIN) };
}

/** One list out of every gateway's; `nodes` on which a channel is followed. */
export function mergeRooms(outcome: CommandOutcome, top: number) {
  const merged = new Map<string, { channel: string; followers: number; nodes: number }>();
  for (const { result } of outcome.replies) {
    for (const { channel, followers } of (result as ReturnType<typeof roomsHere>).rooms) {
      const room = merged.get(channel) ?? { channel, followers: 0, nodes: 0 };
      merged.set(channel, { channel, followers: room.followers + followers, nodes: room.nodes + 1 });
    }
  }
  return {
    rooms: sorted([...merged.values()]).slice(0, top),
    missing: outcome.missing,
    incomplete: outcome.incomplete,
  };
}

const sorted = <R extends Room>(rooms: R[]): R[] =>
  rooms.sort((a, b) => b.followers - a.followers || (a.channel < b.channel ? -1 : 1));
