/** What the browser keeps for a user of a cluster, under names that other users and clusters do not see. */

export interface Saved {
  read<T>(name: string, fallback: T): T;
  write(name: string, value: unknown): void;
  /** The part of the storage that the SDK keeps its positions in. */
  readonly positions: Pick<Storage, 'getItem' | 'setItem'>;
  /**
   * Calls `keep` before a position is written: what it says has been handled must not be lost if the page is gone in the
   * next moment. @returns the disposer
   */
  beforePositions(keep: () => void): () => void;
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
  const keepers = new Set<() => void>();
  return {
    read: <T>(name: string, fallback: T): T =>
      attempt(() => {
        const text = storage.getItem(named(name));
        return text === null ? fallback : (JSON.parse(text) as T);
      }, fallback),
    write: (name, value) => attempt(() => storage.setItem(named(name), JSON.stringify(value)), undefined),
    positions: {
      getItem: (key) => storage.getItem(named(key)),
      setItem: (key, value) => {
        for (const keep of keepers) keep();
        storage.setItem(named(key), value);
      },
    },
    beforePositions: (keep) => {
      keepers.add(keep);
      return () => void keepers.delete(keep);
    },
  };
}
