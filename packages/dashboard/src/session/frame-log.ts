/** Debug mode: the frames of the connection, in the browser's console and in a panel. Nothing is kept while it is off. */
import type { Client } from '@belfry/client';
import { createStore, type Store } from '../state/store.js';

export interface FrameEntry {
  readonly n: number;
  /** Milliseconds since 1970. */
  readonly at: number;
  readonly direction: 'in' | 'out';
  readonly text: string;
}

export interface FrameLog {
  readonly on: Store<boolean>;
  /** Newest last. */
  readonly entries: Store<readonly FrameEntry[]>;
  readonly counters: () => { readonly in: number; readonly out: number; readonly bytes: number };
  setOn(on: boolean): void;
  clear(): void;
  dispose(): void;
}

const LIMIT = 200;
const SHOW_EVERY_MS = 200;

export function createFrameLog(client: Client): FrameLog {
  const on = createStore(false);
  const entries = createStore<readonly FrameEntry[]>([]);
  const counters = { in: 0, out: 0, bytes: 0 };
  let fresh: FrameEntry[] = [];
  let n = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let stop: (() => void) | undefined;

  function show(): void {
    timer = undefined;
    entries.set((was) => [...was, ...fresh].slice(-LIMIT));
    fresh = [];
  }

  function setOn(wanted: boolean): void {
    on.set(wanted);
    stop?.();
    stop = undefined;
    if (!wanted) return;
    stop = client.on('frame', ({ direction, text }) => {
      counters[direction] += 1;
      counters.bytes += text.length;
      n += 1;
      fresh.push({ n, at: Date.now(), direction, text });
      if (fresh.length > LIMIT) fresh.shift();
      // biome-ignore lint/suspicious/noConsole: this is what debug mode is for
      console.debug(direction === 'in' ? '◀' : '▶', text);
      timer ??= setTimeout(show, SHOW_EVERY_MS);
    });
  }

  return {
    on,
    entries,
    counters: () => counters,
    setOn,
    clear: () => {
      fresh = [];
      entries.set([]);
    },
    dispose: () => {
      stop?.();
      clearTimeout(timer);
    },
  };
}
