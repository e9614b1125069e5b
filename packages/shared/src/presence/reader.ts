/** Presence, read: who is connected, and who watches what, on all gateways that are alive. */
import type { Connection } from '../log/index.js';
import { countForeign } from '../service/index.js';
import { presenceKeys } from './keys.js';
import { withPresenceScripts } from './scripts.js';

export interface ConnectedUser {
  readonly userId: string;
  /** On all gateways together. */
  readonly connections: number;
  /** Since when without a break, in seconds since 1970; exact to about a second. */
  readonly since: number;
  /** The gateways. */
  readonly nodes: readonly string[];
}

export interface Watchers {
  readonly node: string;
  /** How many connections follow the channel there. */
  readonly count: number;
}

/** What it tells was true a second ago; after a gateway's sudden end, as long ago as the gateways' expiry says. */
export interface PresenceReader {
  isConnected(userId: string): Promise<boolean>;
  /** Undefined where the user is not connected. */
  connected(userId: string): Promise<ConnectedUser | undefined>;
  /** Those of the users who are connected: one call for many. */
  connectedAmong(userIds: readonly string[]): Promise<ReadonlyMap<string, ConnectedUser>>;
  /** Everybody, page by page, each once; who comes or goes meanwhile may be in it or not. */
  connectedUsers(): AsyncIterable<ConnectedUser>;
  /** Where a channel is followed, and by how many. */
  watchersOf(channel: string): Promise<readonly Watchers[]>;
  /** The channels that somebody follows, each at least once: where to begin before reading the occupancy stream. */
  occupiedChannels(): AsyncIterable<string>;
}

const PAGE = 500;
/** Connections, and since when in milliseconds. */
const PRESENT = /^\d{1,9} \d{1,16}$/;
const COUNT = /^\d{1,9}$/;

export function createPresenceReader(options: {
  readonly connection: Connection;
  readonly prefix: string;
}): PresenceReader {
  const redis = withPresenceScripts(options.connection);
  const keys = presenceKeys(options.prefix);

  async function connectedAmong(userIds: readonly string[]): Promise<Map<string, ConnectedUser>> {
    const found = new Map<string, ConnectedUser>();
    for (let start = 0; start < userIds.length; start += PAGE) {
      const page = userIds.slice(start, start + PAGE);
      for (const [node, ...values] of await redis.presenceLook(keys.nodes, keys.usersOf, ...page)) {
        for (const [index, userId] of page.entries()) {
          const value = values[index];
          if (!value) continue;
          if (PRESENT.test(value)) found.set(userId, joined(found.get(userId), userId, node, value));
          else countForeign('presence');
        }
      }
    }
    return found;
  }

  const connected = async (userId: string): Promise<ConnectedUser | undefined> =>
    (await connectedAmong([userId])).get(userId);

  /** The fields of a hash, page by page; a field may come twice. */
  async function* fieldsOf(hash: string): AsyncIterable<string[]> {
    let cursor = '0';
    do {
      const [next, page] = await redis.hscan(hash, cursor, 'COUNT', PAGE);
      cursor = next;
      yield page.filter((_, index) => index % 2 === 0);
    } while (cursor !== '0');
  }

  return {
    isConnected: async (userId) => (await connected(userId)) !== undefined,
    connected,
    connectedAmong,
    async *connectedUsers() {
      const seen = new Set<string>();
      const nodes = (await redis.presenceLook(keys.nodes, keys.usersOf)).map(([node]) => node);
      for (const node of nodes) {
        for await (const page of fieldsOf(keys.usersOf + node)) {
          const fresh = [...new Set(page)].filter((userId) => !seen.has(userId));
          for (const [userId, user] of await connectedAmong(fresh)) {
            seen.add(userId);
            yield user;
          }
        }
      }
    },
    async watchersOf(channel) {
      const found = await redis.presenceLook(keys.nodes, keys.channelsOf, channel);
      return found.flatMap(([node, count]) => {
        if (!count) return [];
        if (COUNT.test(count)) return [{ node, count: Number(count) }];
        countForeign('presence');
        return [];
      });
    },
    async *occupiedChannels() {
      for await (const page of fieldsOf(keys.occupied)) yield* page;
    },
  };
}

function joined(before: ConnectedUser | undefined, userId: string, node: string, value: string): ConnectedUser {
  const [connections = 0, sinceMs = 0] = value.split(' ').map(Number);
  return {
    userId,
    connections: connections + (before?.connections ?? 0),
    since: Math.min(sinceMs / 1000, before?.since ?? Number.POSITIVE_INFINITY),
    nodes: [...(before?.nodes ?? []), node],
  };
}
