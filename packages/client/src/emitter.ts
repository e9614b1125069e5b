/** Listeners by name. A listener that throws neither stops the others nor goes unheard. */
import type { ClientEvents } from './api.js';
import type { Disposer } from './clock.js';
import { type BelfryError, wrap } from './errors.js';

type Listener = (value: never) => void;

export type Emit = <K extends keyof ClientEvents>(name: K, value: ClientEvents[K]) => void;

export interface Emitter {
  on<K extends keyof ClientEvents>(name: K, listener: (value: ClientEvents[K]) => void): Disposer;
  readonly emit: Emit;
  /** Emits `error`. An exception of the application's own code that nobody listens for becomes an uncaught one. */
  report(error: BelfryError): void;
  clear(): void;
}

export function createEmitter(): Emitter {
  const listeners = new Map<string, Set<Listener>>();

  const emit: Emit = (name, value) => {
    for (const listener of [...(listeners.get(name) ?? [])]) {
      try {
        (listener as (value: unknown) => void)(value);
      } catch (cause) {
        if (name === 'error') uncaught(cause);
        else report(wrap('handler', cause));
      }
    }
  };

  const report = (error: BelfryError): void => {
    if (error.code === 'handler' && !listeners.get('error')?.size) uncaught(error.cause);
    emit('error', error);
  };

  return {
    on: (name, listener) => {
      // A listener of its own per call: the same function registered twice is disposed of twice.
      const own: Listener = (value) => listener(value);
      const set = listeners.get(name) ?? new Set();
      listeners.set(name, set.add(own));
      return () => set.delete(own);
    },
    emit,
    report,
    clear: () => listeners.clear(),
  };
}

function uncaught(cause: unknown): void {
  queueMicrotask(() => {
    throw cause;
  });
}
