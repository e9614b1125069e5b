/**
 * One connection for all tabs of an origin: the tab that holds a Web Lock has the connection and passes its frames on
 * over a BroadcastChannel. A tab that dies, freezes or loses its connection lets go of the lock, and the next in line
 * takes over. Every tab keeps its own subscriptions and positions and judges continuity by itself.
 */
import type { ClientMessage } from '@belfry/shared/protocol';
import type { Clock, Disposer } from './clock.js';

/** A leader that does not answer within this is frozen or still connecting: better an own connection than to wait. */
const ANSWER_MS = 2_000;

type Note =
  /** Who leads? */
  | { readonly kind: 'hello' }
  /** The leader is connected; `greeting` are the WELCOME and AUTHENTICATED it got. */
  | { readonly kind: 'up'; readonly greeting: readonly string[] }
  | { readonly kind: 'down' }
  /** A frame of the gateway. */
  | { readonly kind: 'frame'; readonly text: string }
  /** A frame for the gateway. */
  | { readonly kind: 'send'; readonly from: string; readonly message: ClientMessage }
  /** This tab follows no longer. */
  | { readonly kind: 'bye'; readonly from: string };

export interface ShareEvents {
  /** This tab has to connect; `shared` when it holds the lock, and thereby connects for the others too. */
  lead(): void;
  follow(greeting: readonly string[]): void;
  frame(text: string): void;
  /** The leader lost its connection or let go of it. */
  down(): void;
  /** Somebody else is connected: worth an attempt. */
  hint(): void;
  /** A follower wants this sent. */
  send(from: string, message: ClientMessage): void;
  gone(from: string): void;
}

export interface Share {
  /** Calls `lead` or `follow` once, unless left before. */
  elect(): void;
  /** As leader: accepted by the gateway, with these frames. */
  up(greeting: readonly string[]): void;
  /** As leader: a frame arrived. */
  relay(text: string): void;
  /** As follower. */
  send(message: ClientMessage): void;
  /** Whatever this tab was, it is not any more. */
  leave(): void;
  /** `leave`, and hears nothing until the next `elect`. */
  close(): void;
}

export function createShare(parts: {
  readonly name: string;
  readonly id: string;
  readonly clock: Clock;
  readonly locks: Pick<LockManager, 'request'>;
  readonly Channel: new (name: string) => BroadcastChannel;
  readonly events: ShareEvents;
}): Share {
  const { id, clock, events } = parts;
  const name = `belfry:${parts.name}`;
  let role: 'none' | 'electing' | 'lead' | 'alone' | 'follow' = 'none';
  let bus: BroadcastChannel | undefined;
  let greeting: readonly string[] | undefined;
  let undo: Disposer | undefined;

  const post = (note: Note): void => bus?.postMessage(note);

  function hear(note: Note): void {
    switch (note.kind) {
      case 'hello':
        if (greeting) post({ kind: 'up', greeting });
        break;
      case 'up':
        if (role === 'none') events.hint();
        if (role !== 'electing') break;
        undo?.();
        role = 'follow';
        undo = () => post({ kind: 'bye', from: id });
        events.follow(note.greeting);
        break;
      case 'frame':
        if (role === 'follow') events.frame(note.text);
        break;
      case 'down':
        if (role === 'follow') events.down();
        break;
      case 'send':
        if (role === 'lead') events.send(note.from, note.message);
        break;
      case 'bye':
        if (role === 'lead') events.gone(note.from);
        break;
      default:
        note satisfies never;
    }
  }

  function leave(): void {
    undo?.();
    undo = greeting = undefined;
    role = 'none';
  }

  return {
    elect: () => {
      if (!bus) {
        bus = new parts.Channel(name);
        bus.onmessage = ({ data }: MessageEvent<Note>) => hear(data);
      }
      role = 'electing';
      const waiting = new AbortController();
      const impatience = clock.after(ANSWER_MS, () => {
        undo?.();
        undo = undefined;
        role = 'alone';
        events.lead();
      });
      undo = () => {
        impatience();
        waiting.abort();
      };
      parts.locks
        .request(name, { signal: waiting.signal }, () => {
          if (waiting.signal.aborted) return undefined;
          impatience();
          return new Promise<void>((release) => {
            role = 'lead';
            undo = () => {
              if (greeting) post({ kind: 'down' });
              release();
            };
            events.lead();
          });
        })
        // An aborted request rejects; whoever aborted it has moved on.
        .catch(() => undefined);
      post({ kind: 'hello' });
    },
    up: (frames) => {
      if (role !== 'lead') return;
      greeting = frames;
      post({ kind: 'up', greeting });
    },
    relay: (text) => {
      if (greeting) post({ kind: 'frame', text });
    },
    send: (message) => post({ kind: 'send', from: id, message }),
    leave,
    close: () => {
      leave();
      bus?.close();
      bus = undefined;
    },
  };
}
