/**
 * Preferences in Redis, and an index from properties to the users who have rules for them, so that an event asks for
 * nobody else. What a user may read is kept beside the rules, and renewed with every newer token: see `access.ts`.
 */
import { type Connection, execAll } from '../log/index.js';
import { type Clock, readStored, systemClock } from '../service/index.js';
import { type AccessStore, createAccessStore, type Shown } from './access.js';
import { concernKeys, concerns, type Readable } from './concern.js';
import { NO_PREFERENCES, type Preferences } from './preferences.js';
import { createUndeliveredStore, type UndeliveredStore } from './undelivered.js';
import { createWayStore, type WayStore } from './ways.js';

export interface StoredPreferences {
  readonly preferences: Preferences;
  /** What the user may read: as known when the preferences were written, as known now when they are looked up. */
  readonly readable: Readable;
}

export interface PreferenceStore {
  readonly access: AccessStore;
  readonly ways: WayStore;
  readonly undelivered: UndeliveredStore;
  /** None where nothing is stored that can be read. */
  read(userId: string): Promise<Preferences>;
  /** @param shown the token by which they are written: what it allows bounds them, unless a newer one says otherwise */
  write(shown: Shown, preferences: Preferences): Promise<void>;
  /** Users with a rule that may concern a property. Those whose preferences cannot be read are left out, and told of. */
  concernedBy(
    propertyId: string,
    onUnreadable?: (userId: string) => void,
  ): Promise<ReadonlyMap<string, StoredPreferences>>;
}

export function createPreferenceStore(options: {
  readonly connection: Connection;
  readonly prefix: string;
  readonly clock?: Pick<Clock, 'now'>;
}): PreferenceStore {
  const { clock = systemClock, connection, prefix } = options;
  const keys = concernKeys(prefix);
  const access = createAccessStore({ connection, prefix, clock });

  async function stored(userId: string): Promise<StoredPreferences | undefined> {
    const text = await connection.hget(keys.preferences, userId);
    return text === null ? undefined : storedIn(text);
  }

  return {
    access,
    ways: createWayStore(options),
    undelivered: createUndeliveredStore(options),
    read: async (userId) => (await stored(userId))?.preferences ?? NO_PREFERENCES,
    async write(shown, preferences) {
      const { userId } = shown;
      // What cannot be read any more leaves entries behind, which concern nobody.
      const before = await stored(userId);
      const readableBefore = before && ((await access.read(userId)) ?? before.readable);
      const readable = await access.follow(shown);
      const transaction = connection.multi();
      for (const known of before && readableBefore ? [before.readable, readableBefore, readable] : []) {
        for (const key of concerns(keys, before?.preferences ?? NO_PREFERENCES, known)) transaction.srem(key, userId);
      }
      for (const key of concerns(keys, preferences, readable)) transaction.sadd(key, userId);
      const next: StoredPreferences = { preferences, readable };
      await execAll(transaction.hset(keys.preferences, userId, JSON.stringify(next)));
      // What a newer token brought meanwhile may be what was just taken out.
      await access.index(userId);
    },
    async concernedBy(propertyId, onUnreadable) {
      const users = await connection.sunion(keys.everywhere, keys.ofProperty(propertyId));
      if (users.length === 0) return new Map();
      const [texts, readables] = await Promise.all([
        connection.hmget(keys.preferences, ...users),
        access.readAll(users),
      ]);
      const found = new Map<string, StoredPreferences>();
      users.forEach((user, index) => {
        const text = texts[index];
        if (!text) return;
        const known = storedIn(text);
        if (known) found.set(user, { ...known, readable: readables[index] ?? known.readable });
        else onUnreadable?.(user);
      });
      return found;
    },
  };
}

/** Only what somebody else wrote into Redis, or an older version, can be otherwise. */
const storedIn = (text: string): StoredPreferences | undefined =>
  readStored<StoredPreferences>(
    text,
    'preferences',
    ({ preferences, readable }) => Array.isArray(preferences?.rules) && (readable === 'all' || Array.isArray(readable)),
  );

/** Whether a rule may speak of a property: a token that was narrower than its rules does not widen by them. */
export const mayRead = (readable: Readable, propertyId: string): boolean =>
  readable === 'all' || readable.includes(propertyId);
