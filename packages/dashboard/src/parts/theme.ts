/** Light, dark, or as the system has it. */
import { createStore, type Store } from '../state/store.js';

export type Theme = 'system' | 'light' | 'dark';

const NAME = 'belfry-dashboard:theme';

export function createTheme(storage: Storage, root: HTMLElement): Store<Theme> {
  const kept = storage.getItem(NAME);
  const theme = createStore<Theme>(kept === 'light' || kept === 'dark' ? kept : 'system');
  const apply = (): void => {
    if (theme.get() === 'system') delete root.dataset.theme;
    else root.dataset.theme = theme.get();
  };
  apply();
  theme.subscribe(() => {
    apply();
    storage.setItem(NAME, theme.get());
  });
  return theme;
}
