/** How this browser tells people of what happens: toasts, sound, the system's notifications. */
import type { Severity } from '@belfry/client';
import type { Saved } from '../session/saved.js';
import { createStore, type Store } from '../state/store.js';

export interface NoticeSettings {
  readonly toasts: boolean;
  /** Toasts only from this severity on. */
  readonly minSeverity: Severity;
  readonly sound: boolean;
  /** 0 to 1. */
  readonly volume: number;
  /** Critical ones as notifications of the system, while the page is hidden. */
  readonly desktop: boolean;
}

const DEFAULTS: NoticeSettings = { toasts: true, minSeverity: 'info', sound: false, volume: 0.5, desktop: false };

export function createNotices(saved: Saved): Store<NoticeSettings> {
  const store = createStore<NoticeSettings>({ ...DEFAULTS, ...saved.read<Partial<NoticeSettings>>('notices', {}) });
  store.subscribe(() => saved.write('notices', store.get()));
  return store;
}
