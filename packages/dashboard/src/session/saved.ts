/** What the browser keeps for a user of a cluster, under names that other users and clusters do not see. */

export interface Saved {
  read<T>(name: string, fallback: T): T;
  write(name: string, value: unknown): void;
  /** The part of the storage that the SDK keeps its positions in. */
  readonly positions: Pick<Storage, 'getItem' | 'setItem'>;
}

/** Storage that is full or forbidden is a smaller loss than a page that does not work. */
function attempt<T>(run: () => T, fallback: T): T {
  try {
    return run();
  } catch {
    return fallback;
  }
}

export function createSaved(storage: Storage, scope: string): Saved {
  const named = (name: string): string => `belfry-dashboard:${scope}:${name}`;
  return {
    read: <T>(name: string, fallback: T): T =>
      attempt(() => {
        const text = storage.getItem(named(name));
        return text === null ? fallback : (JSON.parse(text) as T);
      }, fallback),
    write: (name, value) => attempt(() => storage.setItem(named(name), JSON.stringify(value)), undefined),
    positions: {
      getItem: (key) => storage.getItem(named(key)),
      setItem: (key, value) => storage.setItem(named(key), value),
    },
  };
}
