/**
 * The index from properties to the users with rules for them. A rule for `"*"` concerns whatever its user may read, so
 * that the index changes with the rules and with what may be read.
 */
import type { Preferences } from './preferences.js';

/** What a user's newest token allows to read. */
export type Readable = 'all' | readonly string[];

export interface ConcernKeys {
  /** Hash: users and their preferences. */
  readonly preferences: string;
  /** Set: users whose rules may concern any property. */
  readonly everywhere: string;
  /** Set: users whose rules may concern a property. */
  readonly ofProperty: (propertyId: string) => string;
}

export function concernKeys(prefix: string): ConcernKeys {
  const base = `${prefix}:{alerts}`;
  return {
    preferences: `${base}:preferences`,
    everywhere: `${base}:users:*`,
    ofProperty: (propertyId) => `${base}:users:${propertyId}`,
  };
}

/** The sets that a user belongs into. */
export function concerns(keys: ConcernKeys, { rules }: Pick<Preferences, 'rules'>, readable: Readable): string[] {
  const found = new Set<string>();
  for (const { properties } of rules) {
    const wanted = properties === '*' ? readable : properties;
    if (wanted === 'all') found.add(keys.everywhere);
    else for (const property of wanted) found.add(keys.ofProperty(property));
  }
  return [...found];
}
