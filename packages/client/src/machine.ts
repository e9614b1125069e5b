/**
 * The life of a connection, written down: every place it can be in, and what leads from one to the next.
 *
 *   idle ─connect─► electing ─lead─► open.authorizing ─token─► open.greeting ─welcome─► open.login ─accepted─► open.ready
 *                    ▲ ▲   └─follow─► following                                                        frame ▲ │ silence
 *                due │ │ resume                                                                              │ ▼
 *              waiting │                                                                                   open.doubt
 *                ▲   suspended
 *   dropped ─────┘      ▲                   from `electing`, `following` and every `open.…`
 *   suspend ────────────┘                   from these and `waiting`
 *   refused ──────────► closed ─connect─► electing        from these; `close` leads to `closed` from everywhere
 *
 * Places that share the part before the dot share a connection: what belongs to it is taken down on leaving the last of
 * them. Whatever entering a place sets up, leaving it takes down: entering returns the disposer.
 */
import type { Status } from './api.js';
import type { Disposer } from './clock.js';

export type Place =
  | 'idle'
  /** Asking the other tabs who holds the connection; passed through at once where nothing is shared. */
  | 'electing'
  /** Waiting for getToken. */
  | 'open.authorizing'
  /** The transport opens; WELCOME is awaited. */
  | 'open.greeting'
  /** AUTHENTICATE and the subscriptions are sent; AUTHENTICATED is awaited. */
  | 'open.login'
  | 'open.ready'
  /** Silent for too long, or the browser hints at trouble: a PING is out, any frame is an answer. */
  | 'open.doubt'
  /** Another tab holds the connection and passes its frames on. */
  | 'following'
  /** Between attempts. */
  | 'waiting'
  /** The page is frozen or in the back/forward cache. */
  | 'suspended'
  | 'closed';

export type Happening =
  | 'connect'
  | 'lead'
  | 'follow'
  | 'token'
  | 'welcome'
  | 'accepted'
  | 'silence'
  | 'frame'
  | 'dropped'
  | 'refused'
  | 'due'
  | 'suspend'
  | 'resume'
  | 'close';

type Transitions = Readonly<Record<Place, Readonly<Partial<Record<Happening, Place>>>>>;

const stoppable = { suspend: 'suspended', close: 'closed' } as const;
const fallible = { ...stoppable, dropped: 'waiting', refused: 'closed' } as const;

/** What is not written here does not happen: the machine ignores it. */
export const TRANSITIONS: Transitions = {
  idle: { connect: 'electing', close: 'closed' },
  electing: { ...fallible, lead: 'open.authorizing', follow: 'following' },
  'open.authorizing': { ...fallible, token: 'open.greeting' },
  'open.greeting': { ...fallible, welcome: 'open.login' },
  'open.login': { ...fallible, accepted: 'open.ready' },
  'open.ready': { ...fallible, silence: 'open.doubt' },
  'open.doubt': { ...fallible, frame: 'open.ready' },
  following: fallible,
  waiting: { ...stoppable, due: 'electing' },
  suspended: { resume: 'electing', close: 'closed' },
  closed: { connect: 'electing' },
};

/** What entering each place, or the group `open`, sets up. The result takes it down again. */
export type Entries = Readonly<Record<Place | 'open', () => Disposer | undefined>>;

export interface Machine {
  readonly place: Place;
  /** Handled at once, or after the transition under way. Ignored where the table has no row for it. */
  send(happening: Happening): void;
}

/** @param changed is told of every transition after the new place has been entered */
export function createMachine(entries: Entries, changed: (place: Place, from: Place) => void): Machine {
  let place: Place = 'idle';
  let leave: Disposer | undefined;
  let leaveGroup: Disposer | undefined;
  let running = false;
  const waiting: Happening[] = [];

  function step(to: Place): void {
    const from = place;
    leave?.();
    leave = undefined;
    if (!isOpen(to)) {
      leaveGroup?.();
      leaveGroup = undefined;
    }
    place = to;
    if (isOpen(to) && !isOpen(from)) leaveGroup = entries.open();
    leave = entries[to]();
    changed(to, from);
  }

  return {
    get place() {
      return place;
    },
    send: (happening) => {
      waiting.push(happening);
      if (running) return;
      running = true;
      try {
        for (let next = waiting.shift(); next; next = waiting.shift()) {
          const to = TRANSITIONS[place][next];
          if (to) step(to);
        }
      } finally {
        running = false;
      }
    },
  };
}

export const isOpen = (place: Place): boolean => place.startsWith('open.');

/** What the application is told; in every other place it is on its way to a connection. */
const STATUS: Readonly<Partial<Record<Place, Status>>> = {
  idle: 'initial',
  'open.ready': 'connected',
  'open.doubt': 'connected',
  following: 'connected',
  closed: 'disconnected',
};

/** @param before whether there has been a connection since `connect` */
export const statusOf = (place: Place, before: boolean): Status =>
  STATUS[place] ?? (before ? 'reconnecting' : 'connecting');
