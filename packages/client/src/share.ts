/**
 * One connection for all tabs of an origin: the tab that holds a Web Lock has the connection and passes its frames on
 * over a BroadcastChannel. Followers queue for the same lock, so that the browser itself tells them when the leader is
 * gone, crashed ones included. Every tab keeps its own subscriptions and positions and judges continuity by itself.
 *
 * Locks and channels rather than a SharedWorker: they are in every browser that has one, and in those that have none.
 */
import type { ClientMessage } from '@belfry/shared/protocol';
import type { Clock, Disposer } from './clock.js';
import { sharedName } from './identity.js';
import type { Tokens } from './tokens.js';

/** A leader that says nothing for this long is frozen: better an own connection than to wait. */
const ANSWER_MS = 2_000;
const TOKEN_MS = 10_000;

type Note =
  /** Who leads? */
  | { readonly kind: 'hello' }
  /** The leader is there, and connecting. */
  | { readonly kind: 'soon' }
  /** The leader is connected; `greeting` are the WELCOME and AUTHENTICATED it got. */
  | { readonly kind: 'up'; readonly greeting: readonly string[] }
  | { readonly kind: 'down' }
  /** The gateway wants nobody to come back. */
  | { readonly kind: 'stop'; readonly code: number; readonly reason: string }
  /** A frame of the gateway. */
  | { readonly kind: 'frame'; readonly text: string }
  /** A frame for the gateway. */
  | { readonly kind: 'send'; readonly from: string; readonly message: ClientMessage }
  /** This tab follows, and holds a lock of this name for as long as it does. */
  | { readonly kind: 'here'; readonly from: string }
  /** This tab follows no longer. */
  | { readonly kind: 'bye'; readonly from: string };

export interface ShareEvents {
  /** This tab has to connect. */
  lead(): void;
  follow(greeting: readonly string[]): void;
  frame(text: string): void;
  /** The leader lost its connection, let go of it, or is gone. */
  down(): void;
  /** The leader was closed for good. */
  stop(code: number, reason: string): void;
  /** There is no token to tell by who we are. */
  failed(cause: unknown): void;
  /** Somebody else is connected: worth an attempt. */
  hint(): void;
  /** A follower wants this sent. */
  send(from: string, message: ClientMessage): void;
  gone(from: string): void;
}

export interface Share {
  /** Calls `lead`, `follow` or `failed` once, unless left before. */
  elect(): void;
  /** As leader: accepted by the gateway, with these frames. */
  up(greeting: readonly string[]): void;
  /** As leader: a frame arrived. */
  relay(text: string): void;
  /** As leader: closed with a code that means stop. */
  stop(code: number, reason: string): void;
  /** As follower. */
  send(message: ClientMessage): void;
  /** Whatever this tab was, it is not any more. */
  leave(): void;
  /** `leave`, and hears nothing until the next `elect`. */
  close(): void;
}

type Role =
  | 'none'
  /** Waits for the token, by which it is known whom to share with: who was followed before may be somebody else. */
  | 'naming'
  | 'electing'
  /** Holds the lock, and connects for all. */
  | 'lead'
  /** Connects for itself, until the lock is to be had: then for all. */
  | 'alone'
  | 'follow';

export function createShare(parts: {
  readonly name: string;
  readonly id: string;
  readonly urls: readonly string[];
  readonly tokens: Pick<Tokens, 'get'>;
  readonly clock: Clock;
  readonly locks: Pick<LockManager, 'request'>;
  readonly Channel: new (name: string) => BroadcastChannel;
  readonly events: ShareEvents;
}): Share {
  const { clock, events, locks } = parts;
  let role: Role = 'none';
  let bus: BroadcastChannel | undefined;
  let greeting: readonly string[] | undefined;
  /** Ends with the role that came of an election: what was asked for, or is held, goes with it. */
  let term = new AbortController();
  let impatience: Disposer | undefined;
  /** The leader has answered the last `hello`. */
  let heard = false;
  /** This following, and no earlier one: what is said of that one must not concern this one. */
  let from = '';
  let count = 0;
  /** What waits for the leader to know of this following: it would never let go of what it was asked for otherwise. */
  let unsent: Note[] | undefined;

  const post = (note: Note): void => bus?.postMessage(note);

  /** Holds a lock until the term ends. @param granted not called after that */
  function hold(name: string, granted: () => void, failed?: () => void): void {
    const { signal } = term;
    locks
      .request(
        name,
        { signal },
        () =>
          new Promise<void>((release) => {
            signal.addEventListener('abort', () => release());
            if (signal.aborted) release();
            else granted();
          }),
      )
      // An aborted request rejects; whoever aborted it has moved on.
      .catch(() => {
        if (!signal.aborted) failed?.();
      });
  }

  function hear(note: Note): void {
    switch (note.kind) {
      case 'hello':
        if (role === 'lead') post(greeting ? { kind: 'up', greeting } : { kind: 'soon' });
        break;
      case 'soon':
        heard = true;
        break;
      case 'up':
        if (role === 'none') events.hint();
        if (role === 'electing') follow(note.greeting);
        break;
      case 'frame':
        if (role === 'follow') events.frame(note.text);
        break;
      case 'down':
        if (role === 'follow') events.down();
        break;
      case 'stop':
        if (role === 'follow') events.stop(note.code, note.reason);
        break;
      case 'send':
        if (role === 'lead') events.send(note.from, note.message);
        break;
      case 'here':
        // To be had only when that tab is gone, however it went.
        if (role === 'lead') watch(note.from);
        break;
      case 'bye':
        if (role === 'lead') events.gone(note.from);
        break;
      default:
        note satisfies never;
    }
  }

  function watch(tab: string): void {
    const { signal } = term;
    locks
      .request(`${bus?.name} ${tab}`, { signal }, () => {
        if (!signal.aborted) events.gone(tab);
      })
      .catch(() => undefined);
  }

  function follow(frames: readonly string[]): void {
    impatience?.();
    role = 'follow';
    from = `${parts.id}.${++count}`;
    const tab = from;
    unsent = [];
    hold(`${bus?.name} ${tab}`, () => {
      post({ kind: 'here', from: tab });
      for (const note of unsent ?? []) post(note);
      unsent = undefined;
    });
    events.follow(frames);
  }

  function alone(): void {
    role = 'alone';
    events.lead();
  }

  function inquire(): void {
    heard = false;
    post({ kind: 'hello' });
    impatience = clock.after(ANSWER_MS, () => (heard ? inquire() : alone()));
  }

  /** The lock is ours. */
  function granted(): void {
    impatience?.();
    switch (role) {
      case 'electing':
        role = 'lead';
        // Those that asked before there was anybody to answer.
        post({ kind: 'soon' });
        return events.lead();
      case 'alone':
        role = 'lead';
        if (greeting) post({ kind: 'up', greeting });
        return;
      case 'follow':
        // The leader is gone without a word. Not taken over at once: if it was the gateway that went, all pages are here.
        return events.down();
      default:
    }
  }

  function enter(name: string): void {
    role = 'electing';
    if (bus?.name !== name) {
      bus?.close();
      bus = new parts.Channel(name);
      bus.onmessage = ({ data }: MessageEvent<Note>) => hear(data);
    }
    hold(name, granted, () => {
      impatience?.();
      alone();
    });
    inquire();
  }

  function leave(): void {
    if (role === 'lead' && greeting) post({ kind: 'down' });
    if (role === 'follow') post({ kind: 'bye', from });
    impatience?.();
    greeting = undefined;
    role = 'none';
    term.abort();
  }

  return {
    elect: () => {
      term = new AbortController();
      const { signal } = term;
      role = 'naming';
      const failed = (cause: unknown): void => {
        leave();
        events.failed(cause);
      };
      const once = (run: () => void): void => {
        if (signal.aborted) return;
        impatience?.();
        run();
      };
      impatience = clock.after(TOKEN_MS, () => failed(new Error('no token')));
      parts.tokens
        .get('connect')
        // Without a user there is nobody to share with.
        .then((token) => (token === null ? undefined : sharedName(parts.name, parts.urls, token)))
        .then(
          (name) => once(() => (name === undefined ? alone() : enter(name))),
          (cause: unknown) => once(() => failed(cause)),
        );
    },
    up: (frames) => {
      greeting = frames;
      if (role === 'lead') post({ kind: 'up', greeting });
    },
    relay: (text) => {
      if (role === 'lead' && greeting) post({ kind: 'frame', text });
    },
    stop: (code, reason) => {
      if (role === 'lead') post({ kind: 'stop', code, reason });
    },
    send: (message) => {
      const note: Note = { kind: 'send', from, message };
      if (unsent) unsent.push(note);
      else post(note);
    },
    leave,
    close: () => {
      leave();
      bus?.close();
      bus = undefined;
    },
  };
}
