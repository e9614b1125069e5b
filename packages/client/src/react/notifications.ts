/** The user's inbox in components. */
import { useEffect, useMemo, useSyncExternalStore } from 'react';
import { type Inbox, inboxOf, type Notification } from './inbox.js';
import { useLatest } from './latest.js';
import { useClient } from './provider.js';

export interface Notifications extends Pick<Inbox, 'markRead' | 'dismiss'> {
  /** Newest first, at most 100. */
  readonly notifications: readonly Notification[];
  readonly unread: number;
}

export interface NotificationsOptions {
  /** Called with every one that arrives while the component is there, such as to show a toast. */
  readonly onNotification?: ((notification: Notification) => void) | undefined;
}

export function useNotifications({ onNotification }: NotificationsOptions = {}): Notifications {
  const inbox = inboxOf(useClient());
  const latest = useLatest(onNotification);
  const notifications = useSyncExternalStore(inbox.subscribe, inbox.get, inbox.get);
  useEffect(() => inbox.listen((notification) => latest.current?.(notification)), [inbox, latest]);
  return useMemo(
    () => ({
      notifications,
      unread: notifications.filter(({ read }) => !read).length,
      markRead: inbox.markRead,
      dismiss: inbox.dismiss,
    }),
    [notifications, inbox],
  );
}
