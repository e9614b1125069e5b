/**
 * State outside of React, in pictures that do not change: what arrives between two frames of the screen is shown in one,
 * and a component that is drawn twice sees the same thing twice.
 */
import type { Disposer } from '../clock.js';

/** Sixty times a second; slower in a hidden page, by the browser's own doing. */
const FRAME_MS = 16;

const touched = new Set<() => void>();

/** All stores show in the same turn what has changed, so that React draws once. */
function atNextFrame(show: () => void): void {
  if (touched.size === 0) setTimeout(showAll, FRAME_MS);
  touched.add(show);
}

function showAll(): void {
  const all = [...touched];
  touched.clear();
  for (const show of all) show();
}

export interface Store<T> {
  /** @returns the disposer */
  subscribe(changed: () => void): Disposer;
  /** The same picture until listeners are told. */
  get(): T;
  /** What `get` returns is not true any more. */
  touch(): void;
}

/**
 * @param draw makes a picture of what is true now; called once per change at most
 * @param open called with the first listener; its result with the last one's end
 * @param lingerMs how long it stays open without listeners: components that are exchanged need the same things
 */
export function createStore<T>(draw: () => T, open: () => Disposer, lingerMs = 0): Store<T> {
  const listeners = new Set<() => void>();
  let picture: { readonly value: T } | undefined;
  let leaving: ReturnType<typeof setTimeout> | undefined;
  let close: Disposer | undefined;

  function show(): void {
    picture = undefined;
    for (const listener of [...listeners]) listener();
  }

  function leave(): void {
    leaving = undefined;
    touched.delete(show);
    picture = undefined;
    close?.();
    close = undefined;
  }

  return {
    subscribe: (changed) => {
      // A listener of its own per call, so that each is disposed of by itself.
      const listener = (): void => changed();
      clearTimeout(leaving);
      leaving = undefined;
      listeners.add(listener);
      close ??= open();
      return () => {
        if (!listeners.delete(listener) || listeners.size > 0) return;
        if (lingerMs > 0) leaving = setTimeout(leave, lingerMs);
        else leave();
      };
    },
    get: () => {
      picture ??= { value: draw() };
      return picture.value;
    },
    touch: () => atNextFrame(show),
  };
}
