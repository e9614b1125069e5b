/**
 * Tells people of news: toasts for five seconds, many at once as one; critical messages that stay. What came while the
 * tab was hidden, or while we were away, is summed up.
 */
import { toast } from 'sonner';
import { linkTo } from '../parts/route.js';
import type { Activity } from '../state/activity.js';
import { rank } from '../state/severity.js';
import { createStore, type Store } from '../state/store.js';
import { type CriticalMessages, createCriticalMessages } from './critical.js';
import type { NoticeSettings } from './notices.js';
import { allowSoundWhenTouched, ringOnce } from './sound.js';
import { titleOf } from './title.js';

const TOAST_MS = 5_000;
const BURST_MS = 2_000;
/** More than these within `BURST_MS` are folded into one. */
const BURST = 3;
/** Screen readers hear a summary this often at most. */
const ANNOUNCE_MS = 5_000;

export interface Announcement {
  readonly polite: string;
  readonly urgent: string;
}

export interface Teller {
  readonly announcement: Store<Announcement>;
  readonly critical: CriticalMessages;
  /** Critical events since the page was last looked at. */
  readonly unseen: Store<number>;
  tell(news: readonly Activity[]): void;
  dispose(): void;
}

const opening = ({ property }: Activity) =>
  property ? { action: { label: 'Open', onClick: () => location.assign(linkTo('property', property)) } } : {};

export function createTeller(notices: Store<NoticeSettings>): Teller {
  const announcement = createStore<Announcement>({ polite: '', urgent: '' });
  const unseen = createStore(0);
  let shown: number[] = [];
  let folded: Activity[] = [];
  let away: Activity[] = [];
  let missed: Activity[] = [];
  const messages = createCriticalMessages();
  let unannounced = 0;
  let announceTimer: ReturnType<typeof setTimeout> | undefined;
  let announcedAt = 0;

  /** The same property and type: the newer one takes the older one's place. */
  function show(entry: Activity): void {
    const { channel, label, message, property, severity, type } = entry;
    toast(titleOf(entry), {
      id: property ? `${property}|${label}` : `${channel}|${type}`,
      description: message,
      duration: TOAST_MS,
      closeButton: true,
      className: `toast toast-${severity}`,
      ...opening(entry),
    });
  }

  /**
   * @param id of the toast: the digest grows in place
   * @param closed the next one begins at nothing
   */
  function showDigest(
    entries: readonly Activity[],
    id: string,
    title: (count: number) => string,
    closed?: () => void,
  ): void {
    const places = new Set(entries.map(({ property, channel }) => property ?? channel));
    toast(title(entries.length), {
      id,
      description: `${places.size === 1 ? 'At one property' : `At ${places.size} properties`}. See the activity list.`,
      duration: TOAST_MS,
      closeButton: true,
      className: 'toast toast-digest',
      ...(closed && { onAutoClose: closed, onDismiss: closed }),
    });
  }

  function announce(): void {
    announceTimer = undefined;
    announcedAt = Date.now();
    const count = unannounced;
    unannounced = 0;
    announcement.set((was) => ({ ...was, polite: count === 1 ? '1 update' : `${count} updates` }));
  }

  function desktopNotice(entry: Activity): void {
    if (!notices.get().desktop || globalThis.Notification?.permission !== 'granted') return;
    new Notification(`Critical: ${titleOf(entry)}`, { body: entry.message, tag: entry.property ?? entry.channel });
  }

  function tell(news: readonly Activity[]): void {
    const { minSeverity, sound, toasts, volume } = notices.get();
    const replayed = news.filter(({ origin }) => origin === 'replay');
    const fresh = news.filter(({ origin, severity }) => origin !== 'replay' && rank(severity) >= rank(minSeverity));
    const critical = [...fresh, ...replayed].filter(({ severity }) => severity === 'critical');
    const hidden = document.visibilityState === 'hidden';

    if (replayed.length > 0 && toasts) {
      // What was missed may come in several pieces, a channel at a time.
      missed = [...missed, ...replayed];
      showDigest(
        missed,
        'missed',
        (n) => `${n === 1 ? '1 change' : `${n} changes`} while you were away`,
        () => {
          missed = [];
        },
      );
    }
    if (critical.length > 0) {
      if (sound) ringOnce(volume);
      const last = critical.at(0) as Activity;
      announcement.set((was) => ({ ...was, urgent: `Critical: ${titleOf(last)}. ${last.message}`.trim() }));
      if (hidden) {
        unseen.set((was) => was + critical.length);
        critical.forEach(desktopNotice);
      }
    }
    unannounced += fresh.length;
    if (fresh.length > 0) announceTimer ??= setTimeout(announce, Math.max(0, announcedAt + ANNOUNCE_MS - Date.now()));
    if (!toasts) return;
    messages.add(critical);
    const others = fresh.filter(({ severity }) => severity !== 'critical');
    if (hidden) {
      away = [...away, ...others].slice(-1_000);
      return;
    }
    const now = Date.now();
    shown = shown.filter((at) => at > now - BURST_MS);
    for (const entry of others.toReversed()) {
      if (shown.length < BURST && folded.length === 0) show(entry);
      else folded.push(entry);
      shown.push(now);
    }
    if (folded.length > 0) {
      showDigest(
        folded,
        'burst',
        (n) => `${n} more updates`,
        () => {
          folded = [];
        },
      );
    }
  }

  function onVisible(): void {
    if (document.visibilityState !== 'visible') return;
    unseen.set(0);
    const count = away.length;
    if (count > 0) showDigest(away, 'away', () => `${count} updates while this tab was hidden`);
    away = [];
  }
  document.addEventListener('visibilitychange', onVisible);
  const stopWaitingForTouch = allowSoundWhenTouched(() => notices.get().sound);

  return {
    announcement,
    critical: messages,
    unseen,
    tell,
    dispose: () => {
      clearTimeout(announceTimer);
      stopWaitingForTouch();
      document.removeEventListener('visibilitychange', onVisible);
    },
  };
}
