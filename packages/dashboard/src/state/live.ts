/**
 * What the pages show, kept up to date by the SDK. Events are applied as they come and shown in batches, so that two
 * hundred a second cost ten renders. While live updates are paused they are applied all the same, and shown afterwards:
 * however long the pause, it costs no memory.
 */
import type { ChannelState, Client, ConnectionState, EventInfo, EventMessage, Handlers, User } from '@belfry/client';
import type { Saved } from '../session/saved.js';
import { ACTIVITY_LIMIT, type Activity, activityOf, type Bucket, merge, type Origin } from './activity.js';
import { newProperty, type Property, withEvent, withState } from './properties.js';
import { createStore, type Store } from './store.js';

/** What is shown, and stands still while paused. */
export interface View {
  readonly properties: ReadonlyMap<string, Property>;
  /** Newest first. */
  readonly activity: readonly Activity[];
  /** New and resolved violations by minute, of the last day. */
  readonly minutes: ReadonlyMap<number, Bucket>;
  /** The last event of each source of city data. */
  readonly sources: ReadonlyMap<string, EventMessage>;
  /** The last `kpi:update`. */
  readonly kpis: EventMessage | undefined;
}

export interface LiveStatus {
  readonly connection: ConnectionState;
  readonly user: User | undefined;
  readonly paused: boolean;
  /** Events that came while paused. */
  readonly waiting: number;
  /** Events that happened while this page was away and have been handed over since. */
  readonly missed: number;
  /** More happened while this page was away than the logs keep: what is open is right, what happened is not all listed. */
  readonly incomplete: boolean;
}

export interface Live {
  readonly view: Store<View>;
  readonly status: Store<LiveStatus>;
  add(property: string): void;
  remove(property: string): void;
  pause(paused: boolean): void;
  /** What has just been shown for the first time, other than with a first snapshot. */
  onNews(listener: (news: readonly Activity[]) => void): () => void;
  dispose(): void;
}

export interface LiveParts {
  readonly client: Client;
  readonly saved: Saved;
  readonly properties: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Ten pictures a second are more than anybody reads. */
const SHOW_EVERY_MS = 100;
/** Of a channel that is followed for the first time. */
const FIRST_EVENTS = 10;
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;

export function createLive({ client, now, properties, saved }: LiveParts): Live {
  const kept = saved.read<readonly Activity[]>('activity', []).map((entry): Activity => ({ ...entry, origin: 'kept' }));
  let current: View = {
    properties: new Map(),
    activity: kept,
    minutes: counted(new Map(), kept, now()),
    sources: new Map(),
    kpis: undefined,
  };
  const view = createStore(current);
  const status = createStore<LiveStatus>({
    connection: client.state,
    user: client.user,
    paused: false,
    waiting: 0,
    missed: 0,
    incomplete: false,
  });
  const listeners = new Set<(news: readonly Activity[]) => void>();
  const disposers = new Map<string, () => void>();
  /** Since the last picture. */
  let changed = new Map<string, Property>();
  let incoming: Activity[] = [];
  let untold: Activity[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  let shownAt = 0;
  /** There is activity that the browser does not keep yet. */
  let unsaved = false;

  function later(): void {
    timer ??= setTimeout(apply, Math.max(0, SHOW_EVERY_MS - (now() - shownAt)));
  }

  function apply(): void {
    timer = undefined;
    shownAt = now();
    const merged = merge(current.activity, incoming);
    const all = changed.size > 0 ? new Map(current.properties) : current.properties;
    for (const [id, property] of changed) (all as Map<string, Property>).set(id, property);
    current = {
      ...current,
      properties: all,
      activity: merged.list,
      minutes: counted(current.minutes, merged.unseen, shownAt),
    };
    const tellable = merged.news.filter(({ origin }) => origin !== 'snapshot');
    untold = [...untold, ...tellable].slice(-ACTIVITY_LIMIT);
    const missed = tellable.filter(({ origin }) => origin === 'replay').length;
    changed = new Map();
    incoming = [];
    const { paused } = status.get();
    if (missed > 0 || (paused && tellable.length > 0)) {
      status.set((was) => ({
        ...was,
        missed: was.missed + missed,
        waiting: paused ? was.waiting + tellable.length : 0,
      }));
    }
    if (!paused) show();
  }

  function show(): void {
    view.set(current);
    const news = untold;
    untold = [];
    if (news.length > 0) for (const listener of listeners) listener(news);
  }

  /** With what other tabs have kept, and what is not shown yet: positions move past it. */
  function save(): void {
    if (!unsaved) return;
    unsaved = false;
    const others = saved.read<readonly Activity[]>('activity', []);
    saved.write('activity', merge(merge(others, current.activity).list, incoming).list);
  }

  const propertyNow = (id: string): Property => changed.get(id) ?? current.properties.get(id) ?? newProperty(id);

  function change(id: string, next: Property): void {
    changed.set(id, next);
    later();
  }

  function note(event: EventMessage, origin: Origin): void {
    incoming.push(activityOf(event, origin));
    unsaved = true;
    later();
  }

  /** Follows a channel from where an earlier page left off, or with its last events. */
  function follow(channel: string, handlers: Pick<Handlers, 'onState' | 'onError'> & OnEvent): void {
    let fresh = !saved.positions.getItem(`belfry:${channel}`);
    const { onEvent, ...others } = handlers;
    const leave = client.subscribe(channel, {
      ...others,
      ...(fresh ? { rewind: FIRST_EVENTS } : {}),
      onEvent: (event, info) => onEvent(event, info, fresh ? 'snapshot' : info.replayed ? 'replay' : 'live'),
      onLive: () => {
        fresh = false;
      },
    });
    disposers.set(channel, leave);
  }

  function add(id: string): void {
    const channel = `property:${id}`;
    if (disposers.has(channel)) return;
    change(id, newProperty(id));
    follow(channel, {
      onState: (state: ChannelState) => {
        const before = propertyNow(id);
        const origin: Origin = before.phase === 'ready' ? 'polled' : 'snapshot';
        for (const event of state.events) note(event, origin);
        change(id, withState(before, state));
      },
      onEvent: (event, { covered }, origin) => {
        note(event, origin);
        if (!covered) change(id, withEvent(propertyNow(id), event));
      },
      onError: ({ message }) => change(id, { ...propertyNow(id), phase: 'refused', error: message }),
    });
  }

  function remove(id: string): void {
    disposers.get(`property:${id}`)?.();
    disposers.delete(`property:${id}`);
    changed.delete(id);
    const others = new Map(current.properties);
    others.delete(id);
    current = { ...current, properties: others };
    view.set((was) => {
      const left = new Map(was.properties);
      left.delete(id);
      return { ...was, properties: left };
    });
  }

  /** What is for this user, for holders of their role, and for everybody. */
  function followOwn(user: User): void {
    for (const channel of user.channels) {
      if (disposers.has(channel)) continue;
      follow(channel, {
        onState: ({ events }) => {
          for (const event of events) own(event, 'snapshot');
        },
        onEvent: (event, _info, origin) => own(event, origin),
      });
    }
  }

  function own(event: EventMessage, origin: Origin): void {
    if (event.type !== 'kpi:update') return note(event, origin);
    current = { ...current, kpis: event };
    later();
  }

  function source(event: EventMessage): void {
    current = { ...current, sources: new Map(current.sources).set(String(event.source ?? event.type), event) };
    later();
  }

  const ends = [
    saved.beforePositions(save),
    client.on('status', () => status.set((was) => ({ ...was, connection: client.state }))),
    client.on('gap', ({ cause }) => {
      if (cause !== 'hole') status.set((was) => ({ ...was, incomplete: true }));
    }),
    client.on('user', (user) => {
      status.set((was) => ({ ...was, user }));
      followOwn(user);
    }),
  ];
  for (const id of properties) add(id);
  disposers.set(
    'state:sources',
    client.subscribe('state:sources', { onState: ({ events }) => events.forEach(source), onEvent: source }),
  );
  addEventListener('pagehide', save);
  client.connect();

  return {
    view,
    status,
    add,
    remove,
    pause: (paused) => {
      status.set((was) => ({ ...was, paused, waiting: 0 }));
      if (!paused) show();
    },
    onNews: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    dispose: () => {
      clearTimeout(timer);
      save();
      removeEventListener('pagehide', save);
      for (const end of [...ends, ...disposers.values()]) end();
      listeners.clear();
    },
  };
}

interface OnEvent {
  onEvent(event: EventMessage, info: EventInfo, origin: Origin): void;
}

function counted(minutes: ReadonlyMap<number, Bucket>, news: readonly Activity[], now: number): View['minutes'] {
  if (news.length === 0) return minutes;
  const next = new Map(minutes);
  for (const { added, resolved, timestamp } of news) {
    if (added + resolved === 0) continue;
    const at = Math.floor((timestamp * 1000) / MINUTE_MS) * MINUTE_MS;
    const before = next.get(at);
    next.set(at, { at, added: (before?.added ?? 0) + added, resolved: (before?.resolved ?? 0) + resolved });
  }
  for (const at of next.keys()) if (at < now - DAY_MS) next.delete(at);
  return next;
}
