/**
 * What a page goes through. The browser's word on the network is a hint, never a fact; a frozen or cached page must not
 * hold a connection, or it cannot be kept.
 */
import type { Disposer } from './clock.js';

export interface PageEvents {
  /** Is the connection still there? */
  doubt(): void;
  /** If there is none, now is a good time to try. */
  hurry(): void;
  suspend(): void;
  resume(): void;
  /** The page may be gone in a moment. */
  save(): void;
}

export function watchPage(window: EventTarget, document: EventTarget, events: PageEvents): Disposer {
  const watching = new AbortController();
  const { signal } = watching;
  const listen = (target: EventTarget, types: string, run: (event: Event) => void): void => {
    for (const type of types.split(' ')) target.addEventListener(type, run, { signal });
  };
  const check = (): void => {
    events.doubt();
    events.hurry();
  };
  listen(window, 'online focus', check);
  listen(window, 'offline', events.doubt);
  listen(document, 'visibilitychange', () => {
    if ((document as Document).visibilityState === 'hidden') events.save();
    else check();
  });
  const suspend = (): void => {
    events.save();
    events.suspend();
  };
  listen(window, 'pagehide', suspend);
  listen(window, 'pageshow', events.resume);
  listen(document, 'freeze', suspend);
  listen(document, 'resume', events.resume);
  return () => watching.abort();
}
