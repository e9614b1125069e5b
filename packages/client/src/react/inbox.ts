/** What is meant for the signed-in user, by name or by role: one inbox per client, so that what is read is read. */
import type { Client } from '../api.js';
import type { Disposer } from '../clock.js';
import type { EventMessage } from '../index.js';
import { createStore } from './store.js';

/** More than anybody reads; bounds what a page that stays open for weeks holds. */
const KEPT = 100;
const LINGER_MS = 1_000;

export interface Notification {
  /** Unique over all channels. */
  readonly key: string;
  readonly event: EventMessage;
  readonly read: boolean;
}

export interface Inbox {
  subscribe(changed: () => void): Disposer;
  /** Newest first. */
  get(): readonly Notification[];
  /** Called with every one that arrives. */
  listen(arrived: (notification: Notification) => void): Disposer;
  /** All of them where no key is given. */
  markRead(key?: string): void;
  /** Likewise. */
  dismiss(key?: string): void;
}

const known = new WeakMap<Client, Inbox>();

/** The client's one inbox. */
export function inboxOf(client: Client): Inbox {
  const inbox = known.get(client) ?? createInbox(client);
  known.set(client, inbox);
  return inbox;
}

/** Figures are pushed to users too, up to once a second: they belong on a dashboard, not into an inbox. */
const isForPeople = ({ type }: EventMessage): boolean => !type.startsWith('kpi:');

function createInbox(client: Client): Inbox {
  const listeners = new Set<(notification: Notification) => void>();
  const channels = new Map<string, Disposer>();
  let notifications: readonly Notification[] = [];

  const set = (next: readonly Notification[]): void => {
    notifications = next;
    store.touch();
  };

  function arrived(event: EventMessage): void {
    const key = `${event.channel} ${event.id}`;
    if (!isForPeople(event) || notifications.some((other) => other.key === key)) return;
    const notification = { key, event, read: false };
    set([notification, ...notifications].slice(0, KEPT));
    for (const listener of [...listeners]) listener(notification);
  }

  /** The channels that the gateway says are ours; they change with the token. */
  function follow(): void {
    const names = client.user?.channels.filter((name) => /^(user|role):/.test(name)) ?? [];
    for (const [name, leave] of channels) {
      if (names.includes(name)) continue;
      leave();
      channels.delete(name);
    }
    for (const name of names) {
      if (!channels.has(name)) channels.set(name, client.subscribe(name, { onEvent: arrived }));
    }
  }

  const store = createStore<readonly Notification[]>(
    () => notifications,
    () => {
      // The gateway says which channels are ours, so there has to be a connection; one that was closed stays so.
      if (client.state.status === 'initial') client.connect();
      follow();
      const end = client.on('user', follow);
      return () => {
        end();
        for (const leave of channels.values()) leave();
        channels.clear();
      };
    },
    LINGER_MS,
  );

  return {
    subscribe: store.subscribe,
    get: store.get,
    listen: (listener) => {
      const own: typeof listener = (notification) => listener(notification);
      listeners.add(own);
      return () => listeners.delete(own);
    },
    markRead: (key) => {
      set(notifications.map((other) => (key === undefined || other.key === key ? { ...other, read: true } : other)));
    },
    dismiss: (key) => {
      set(key === undefined ? [] : notifications.filter((other) => other.key !== key));
    },
  };
}
