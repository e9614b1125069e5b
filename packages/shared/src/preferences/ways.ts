/**
 * By which ways alerts leave at present. Publishers say so again and again; gateways tell users of those that their rules
 * name and that none of them has.
 */
import type { Connection } from '../log/index.js';
import { type Preferences, WAYS, type Way } from './preferences.js';

/** What was said holds for that long: some publisher is late, or starts anew, and nobody has to know. */
const HOLDS_MS = 180_000;
/** So often publishers should say it. */
export const SAY_WAYS_EVERY_MS = HOLDS_MS / 3;

export interface WayStore {
  /** Says that alerts leave by these ways. */
  say(ways: readonly Way[]): Promise<void>;
  /** The ways that rules name and by which nothing leaves. */
  missingFor(preferences: Preferences): Promise<readonly Way[]>;
}

export function createWayStore({ connection, prefix }: { connection: Connection; prefix: string }): WayStore {
  const keyOf = (way: Way): string => `${prefix}:{alerts}:way:${way}`;
  return {
    async say(ways) {
      await Promise.all(ways.map((way) => connection.set(keyOf(way), '1', 'PX', HOLDS_MS)));
    },
    async missingFor({ rules }) {
      const named = WAYS.filter((way) => rules.some(({ via }) => via.includes(way)));
      if (named.length === 0) return [];
      const said = await connection.mget(named.map(keyOf));
      return named.filter((_, index) => said[index] === null);
    },
  };
}
