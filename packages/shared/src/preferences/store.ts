/**
 * Preferences in Redis, and an index from properties to the users who have rules for them, so that an event asks for
 * nobody else. What a user may read is kept beside the rules: it comes from the token with which they were written.
 */
import type { Connection } from '../log/index.js';
import { NO_PREFERENCES, type Preferences } from './preferences.js';

/** What a user's token allowed to read when the preferences were written. */
export type Readable = 'all' | readonly string[];

export interface StoredPreferences {
  readonly preferences: Preferences;
  readonly readable: Readable;
}

export interface PreferenceStore {
  read(userId: string): Promise<Preferences>;
  write(userId: string, stored: StoredPreferences): Promise<void>;
  /** Users with a rule that may concern a property. */
  concernedBy(propertyId: string): Promise<ReadonlyMap<string, StoredPreferences>>;
}

export function createPreferenceStore(options: {
  readonly connection: Connection;
  readonly prefix: string;
}): PreferenceStore {
  const { connection } = options;
  const base = `${options.prefix}:{alerts}`;
  const all = `${base}:preferences`;
  const everywhere = `${base}:users:*`;
  const ofProperty = (propertyId: string): string => `${base}:users:${propertyId}`;

  async function stored(userId: string): Promise<StoredPreferences | undefined> {
    const text = await connection.hget(all, userId);
    return text === null ? undefined : (JSON.parse(text) as StoredPreferences);
  }

  /** The index entries that preferences need: `*` for rules without a list where everything is readable. */
  function indexKeys({ preferences, readable }: StoredPreferences): string[] {
    const keys = new Set<string>();
    for (const { properties } of preferences.rules) {
      const wanted = properties === '*' ? readable : properties;
      if (wanted === 'all') keys.add(everywhere);
      else for (const property of wanted) keys.add(ofProperty(property));
    }
    return [...keys];
  }

  return {
    read: async (userId) => (await stored(userId))?.preferences ?? NO_PREFERENCES,
    async write(userId, next) {
      const before = await stored(userId);
      const transaction = connection.multi();
      for (const key of before ? indexKeys(before) : []) transaction.srem(key, userId);
      for (const key of indexKeys(next)) transaction.sadd(key, userId);
      transaction.hset(all, userId, JSON.stringify(next));
      await transaction.exec();
    },
    async concernedBy(propertyId) {
      const users = await connection.sunion(everywhere, ofProperty(propertyId));
      if (users.length === 0) return new Map();
      const texts = await connection.hmget(all, ...users);
      const found = new Map<string, StoredPreferences>();
      users.forEach((user, index) => {
        const text = texts[index];
        if (text) found.set(user, JSON.parse(text) as StoredPreferences);
      });
      return found;
    },
  };
}

/** Whether a rule may speak of a property: a token that was narrower than its rules does not widen by them. */
export const mayRead = (readable: Readable, propertyId: string): boolean =>
  readable === 'all' || readable.includes(propertyId);
