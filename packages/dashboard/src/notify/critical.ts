/** Critical messages that nobody has dismissed yet: the newest are shown, the others counted, none goes by itself. */
import type { Activity } from '../state/activity.js';
import { createStore, type Store } from '../state/store.js';

export interface CriticalMessages {
  /** Newest first. */
  readonly waiting: Store<readonly Activity[]>;
  add(entries: readonly Activity[]): void;
  dismiss(key: string): void;
  dismissAll(): void;
}

export function createCriticalMessages(): CriticalMessages {
  const waiting = createStore<readonly Activity[]>([]);
  return {
    waiting,
    add: (entries) => {
      const known = new Set(waiting.get().map(({ key }) => key));
      const fresh = entries.filter(({ key }) => !known.has(key));
      if (fresh.length > 0) waiting.set((was) => [...fresh, ...was]);
    },
    dismiss: (dismissed) => waiting.set((was) => was.filter(({ key }) => key !== dismissed)),
    dismissAll: () => waiting.set([]),
  };
}
