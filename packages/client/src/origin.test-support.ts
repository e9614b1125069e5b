/** What tabs of one origin have in common: Web Locks and BroadcastChannels, as far as the client uses them. */
import { createHash } from 'node:crypto';
import { vi } from 'vitest';
import type { ClientOptions } from './api.js';
import { createRig, type Rig } from './rig.test-support.js';

interface Entry {
  readonly tab: number;
  readonly grant: () => void;
  readonly end: () => void;
}

/** First come, first served. */
function createLocks() {
  const queues = new Map<string, Entry[]>();
  /** Tabs that are granted nothing yet, and what they would have been. */
  const slow = new Map<number, (() => void)[]>();

  function remove(name: string, entry: Entry): void {
    const queue = queues.get(name) ?? [];
    const index = queue.indexOf(entry);
    if (index >= 0) queue.splice(index, 1);
    if (index === 0) queue[0]?.grant();
  }

  const of = (tab: number) => {
    const request = (name: string, { signal }: LockOptions, held: () => Promise<void> | undefined): Promise<void> =>
      new Promise<void>((resolve, reject) => {
        const queue = queues.get(name) ?? [];
        queues.set(name, queue);
        let holding = false;
        const entry: Entry = {
          tab,
          grant: () =>
            queueMicrotask(async () => {
              const later = slow.get(tab);
              if (later) return void later.push(entry.grant);
              if (!queue.includes(entry)) return;
              holding = true;
              await held();
              resolve();
              remove(name, entry);
            }),
          end: () => remove(name, entry),
        };
        queue.push(entry);
        signal?.addEventListener('abort', () => {
          // Who holds it lets go of it by itself.
          if (holding) return;
          remove(name, entry);
          reject(signal.reason);
        });
        if (queue.length === 1) entry.grant();
      });
    return { request: request as unknown as LockManager['request'] };
  };

  /** As the browser does when a tab is gone: what it held is free, what it waited for it waits for no more. */
  const crash = (tab: number): void => {
    for (const queue of queues.values()) for (const entry of [...queue]) if (entry.tab === tab) entry.end();
  };
  const stall = (tab: number) => slow.set(tab, []);
  const hasten = (tab: number): void => {
    const granted = slow.get(tab) ?? [];
    slow.delete(tab);
    for (const grant of granted) grant();
  };
  return { of, crash, stall, hasten };
}

/** Messages arrive a microtask later, at everybody else's. */
function createChannels() {
  const open = new Set<{ onmessage: ((event: { data: unknown }) => void) | null; readonly name: string }>();
  const mute = new Set<number>();
  const of = (tab: number) =>
    class FakeChannel {
      onmessage: ((event: { data: unknown }) => void) | null = null;
      readonly name: string;
      readonly tab = tab;
      constructor(name: string) {
        this.name = name;
        open.add(this);
      }
      postMessage(data: unknown): void {
        if (mute.has(tab)) return;
        for (const other of open) {
          if (other === this || other.name !== this.name) continue;
          const copy = structuredClone(data);
          queueMicrotask(() => {
            if (open.has(other) && !mute.has((other as FakeChannel).tab)) other.onmessage?.({ data: copy });
          });
        }
      }
      close(): void {
        open.delete(this);
      }
    };
  return { open, mute, of };
}

export interface Tab extends Rig {
  /** Gone without a word: the browser frees its locks. */
  crash(): void;
  /** Neither hears nor says anything, and keeps its locks. */
  freeze(): void;
  thaw(): void;
  /** Until `hasten` the browser grants it no lock. */
  stall(): void;
  hasten(): void;
}

/** As the platform's, but without threads: no clock of a test can wait for those. */
const digest = async (_: string, bytes: Uint8Array): Promise<ArrayBuffer> =>
  new Uint8Array(createHash('sha256').update(bytes).digest()).buffer;

export function createOrigin() {
  const locks = createLocks();
  const channels = createChannels();
  let tabs = 0;
  return {
    open: channels.open,
    tab: (options: Partial<ClientOptions> = {}): Tab => {
      const tab = ++tabs;
      // `createClient` looks for what the runtime has when it is called.
      vi.stubGlobal('navigator', { locks: locks.of(tab) });
      vi.stubGlobal('BroadcastChannel', channels.of(tab));
      vi.stubGlobal('crypto', { subtle: { digest } });
      const rig = createRig({ share: 'manager', random: () => 0.1 + tab / 100, ...options });
      return {
        ...rig,
        crash: () => {
          channels.mute.add(tab);
          locks.crash(tab);
        },
        freeze: () => channels.mute.add(tab),
        thaw: () => channels.mute.delete(tab),
        stall: () => locks.stall(tab),
        hasten: () => locks.hasten(tab),
      };
    },
  };
}
