/**
 * Server-Sent Events instead of a WebSocket, for networks that let nothing else through. Read with `fetch`, because an
 * EventSource cannot send a token. A stream is opened for a set of channels; where the set or the token changes another
 * one is opened behind the last positions, and nobody notices.
 */
import type { ClientMessage, ErrorCode, ErrorMessage, GatewayMessage, Ref } from '@belfry/shared/protocol';
import type * as Snapshots from './snapshots.js';
import type { OpenTransport } from './transport.js';

/** The close codes that a WebSocket would end with, for answers 401 and 403; a test keeps them equal to the registry. */
export const TOKEN_INVALID = 4103;
export const FORBIDDEN_ORIGIN = 4001;

/** Channels that come without having been asked for. */
const UNASKED = /^(user|role):/;
/**
 * Characters for channels and token beside a browser's own headers in the 16 KB of a gateway's request: each channel is in the
 * address and, with its position, in `Last-Event-ID`. With more the stream would open, and could not be opened anew.
 */
const ROOM = 14_000;
const POSITION = 40;
/** Errors after which a channel may be asked for again. */
const PASSING: readonly ErrorCode[] = ['unavailable', 'rate_limited', 'internal'];
/** What an error about a channel refers to where nobody has asked for it. */
const REOPENED = 'reopened';

/** @param snapshots given rather than imported, so that this module can be loaded by itself when it is needed */
export const sseTransport =
  (fetch: typeof globalThis.fetch, { bearer, fetchStates, HttpError, queryOf }: typeof Snapshots): OpenTransport =>
  (url, firstToken, events) => {
    /** Where snapshots are read, which a stream cannot be asked for. */
    const stateUrl = url.replace(/stream$/, 'state');
    let token = firstToken;
    /** The token whose AUTHENTICATED was passed on: streams that are opened anew repeat it. */
    let announced: string | undefined | null = null;
    const wanted = new Set<string>();
    /** SUBSCRIBEs without an answer: those that begin a channel alike have the same one. */
    const asked = new Map<string, { readonly after: string | undefined; readonly refs: (Ref | undefined)[] }>();
    /** Where channels are to begin, until there is a stream that was opened with that: its ids say so then. */
    const behind = new Map<string, string>();
    /** `channel@position …`, as the last event of the stream said. */
    let lastEventId = '';
    let current: AbortController | undefined;
    let opening = false;
    let closed = false;

    const frame = (message: object): void => {
      if (!closed) events.frame(JSON.stringify(message));
    };

    function end(code: number, reason: string): void {
      if (closed) return;
      closed = true;
      current?.abort();
      events.closed(code, reason);
    }

    /** A little later: the token and the channels come one after the other, in a microtask each. */
    function reopen(): void {
      if (opening) return;
      opening = true;
      const open = (): void => {
        opening = false;
        if (closed) return;
        current?.abort();
        const own = new AbortController();
        current = own;
        if (wanted.size > 0) read(own).catch((cause) => own === current && end(1006, String(cause)));
        else frame({ type: 'AUTHENTICATED' });
      };
      queueMicrotask(() => queueMicrotask(open));
    }

    async function read(own: AbortController): Promise<void> {
      const carried = [...behind];
      const from = [...known(), ...carried.map(([channel, id]) => `${channel}@${id}`)].join(' ');
      const response = await fetch(`${url}?${queryOf([...wanted])}`, {
        headers: {
          accept: 'text/event-stream',
          ...bearer(token),
          ...(from && { 'last-event-id': from }),
        },
        signal: own.signal,
      });
      if (!response.ok || !response.body) return failed(response);
      for await (const { id, event, data } of eventsOf(response.body)) {
        if (own !== current || closed) return;
        if (event === 'close') {
          const { code, reason } = JSON.parse(data) as { readonly code: number; readonly reason: string };
          return end(code, reason);
        }
        // Before it is handed on: whoever hears of it may ask for a channel anew.
        if (id) {
          lastEventId = id;
          for (const [channel, at] of carried.splice(0)) if (behind.get(channel) === at) behind.delete(channel);
        }
        // A comment, which keeps the stream alive: a sign of life like any other.
        received(data || '{"type":"PING"}');
      }
      end(1006, 'the stream ended');
    }

    /** Of what the stream said last: what has been left is not to be carried along for ever. */
    const known = (): string[] =>
      lastEventId.split(' ').filter((part) => {
        const channel = part.slice(0, part.lastIndexOf('@'));
        return !behind.has(channel) && (wanted.has(channel) || UNASKED.test(channel));
      });

    async function failed(response: Response): Promise<void> {
      const { status, retryAfterMs } = new HttpError(response);
      if (retryAfterMs) frame({ type: 'GOING_AWAY', reason: 'http', reconnect_after_ms: retryAfterMs });
      if (status === 401) return end(TOKEN_INVALID, 'token refused');
      if (status !== 403) return end(1011, `HTTP ${status}`);
      // One of the channels, or the page's origin, is not allowed: find out which.
      const allowed = new Set((await fetchStates(fetch, stateUrl, [...wanted], token)).map(({ channel }) => channel));
      if (allowed.size === 0 || allowed.size === wanted.size) return end(FORBIDDEN_ORIGIN, 'forbidden');
      for (const channel of wanted) if (!allowed.has(channel)) refuse(channel);
      reopen();
    }

    function refuse(channel: string): void {
      behind.delete(channel);
      wanted.delete(channel);
      failing({ type: 'ERROR', code: 'forbidden', message: 'the token does not allow this', channel });
    }

    /** A channel cannot be had now. Where nobody asked, the stream was opened anew: who follows it must not think that it goes on. */
    function failing(error: ErrorMessage & { readonly channel: string }): void {
      const { channel, code } = error;
      if (answer(error)) return;
      if (PASSING.includes(code)) frame({ ...error, code: 'unavailable', ref: REOPENED });
      else frame({ type: 'UNSUBSCRIBED', channel, reason: code });
    }

    /** To everybody who asked for the channel. False where nobody did. */
    function answer(message: { readonly channel: string }): boolean {
      const { refs = [] } = asked.get(message.channel) ?? {};
      asked.delete(message.channel);
      for (const ref of refs) frame({ ...message, ref });
      return refs.length > 0;
    }

    const hasRoom = (channel: string): boolean =>
      [...wanted, channel].reduce((taken, { length }) => taken + 2 * length + POSITION, token?.length ?? 0) <= ROOM;

    function ask(channel: string, after: string | undefined, ref: Ref | undefined): void {
      const asking = asked.get(channel);
      if (asking && asking.after !== after) {
        // One stream begins a channel in one place: this one's turn comes when the other was answered.
        return frame({ type: 'ERROR', code: 'rate_limited', message: 'asked for otherwise just now', channel, ref });
      }
      if (!wanted.has(channel) && !hasRoom(channel)) {
        const message = 'a stream has no room for so many channels; leave some first, or use a WebSocket';
        return frame({ type: 'ERROR', code: 'too_many_subscriptions', message, channel, ref });
      }
      asked.set(channel, { after, refs: [...(asking?.refs ?? []), ref] });
      wanted.add(channel);
      if (after) behind.set(channel, after);
      else behind.delete(channel);
      reopen();
    }

    function received(text: string): void {
      if (text.startsWith('{"id"')) return events.frame(text);
      const message = JSON.parse(text) as GatewayMessage;
      if (message.type === 'AUTHENTICATED') {
        if (announced === token) return;
        announced = token;
      }
      if (message.type === 'ERROR' && message.channel) return failing({ ...message, channel: message.channel });
      if (message.type === 'SUBSCRIBED') {
        const { channel, id, recovered } = message;
        if (answer(message)) return;
        // Nobody asked: the stream was opened anew for another channel's sake.
        if (recovered === false) frame({ type: 'RESYNC', channel, id });
        return;
      }
      events.frame(text);
    }

    function send(message: ClientMessage): void {
      switch (message.type) {
        case 'AUTHENTICATE':
          token = message.token;
          return reopen();
        case 'SUBSCRIBE':
          for (const channel of message.channels ?? []) {
            const { after, ref } = message;
            ask(channel, typeof after === 'string' ? after : after?.[channel], ref);
          }
          return;
        case 'UNSUBSCRIBE':
          for (const channel of message.channels ?? []) {
            wanted.delete(channel);
            asked.delete(channel);
            behind.delete(channel);
          }
          return;
        case 'GET_STATE': {
          const channels = message.channels ?? [message.channel as string];
          fetchStates(fetch, stateUrl, channels, token).then(
            (states) => {
              for (const state of states) frame({ ...state, type: 'STATE', ref: message.ref });
            },
            (cause) => frame({ type: 'ERROR', code: 'unavailable', message: String(cause), ref: message.ref }),
          );
          return;
        }
        case 'PING':
          // A stream cannot answer; but whether the gateway can be reached is soon known.
          fetch(stateUrl, { headers: bearer(token) }).then(
            () => frame({ type: 'PONG', ref: message.ref }),
            (cause) => end(1006, String(cause)),
          );
          return;
        case 'GET_STATUS':
          return frame({ type: 'ERROR', code: 'unknown_type', message: 'not over a stream', ref: message.ref });
        case 'PONG':
          return;
        default:
          message satisfies never;
      }
    }

    // The stream's own WELCOME comes when it is known which channels it is for.
    queueMicrotask(() => frame({ type: 'WELCOME' }));
    return {
      send,
      close: () => {
        closed = true;
        current?.abort();
      },
    };
  };

interface ServerSentEvent {
  readonly id: string;
  readonly event: string;
  /** Empty for a comment. */
  readonly data: string;
}

async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<ServerSentEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let buffer = '';
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    buffer += decoder.decode(value, { stream: true });
    const blocks = buffer.split(/\r?\n\r?\n/);
    buffer = blocks.pop() ?? '';
    for (const block of blocks) {
      const fields = { id: '', event: '', data: '' };
      for (const line of block.split(/\r?\n/)) {
        const [, name, text] = /^(id|event|data): ?(.*)$/.exec(line) ?? [];
        if (name && text !== undefined) fields[name as keyof typeof fields] += text;
      }
      yield fields;
    }
  }
}
