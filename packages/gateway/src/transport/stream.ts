/**
 * Server-Sent Events: the same session as behind a WebSocket, written to an HTTP response. Every event carries, as its
 * `id:`, the positions of all channels of the stream, so that `Last-Event-ID` resumes every one of them.
 */

import type { HttpResponse } from 'uWebSockets.js';
import { type CloseCode, formatPosition, parseChannel, parsePosition } from '@belfry/shared/protocol';
import { positionInFrame } from '../channels/event-position.js';
import type { Frame } from '../channels/subscriber.js';
import type { Socket } from '../session/socket.js';

export interface EventStream extends Socket {
  /** An event was published on a channel that this stream follows. */
  publish(channel: string, frame: Frame): void;
}

export interface EventStreamOptions {
  readonly response: HttpResponse;
  readonly headers: readonly (readonly [string, string])[];
  /** Positions the client has, by channel. */
  readonly positions: ReadonlyMap<string, string>;
  /** The channels that are subscribed on it: those are not joined unasked before. */
  readonly subscribed: ReadonlySet<string>;
  readonly maxBackpressureBytes: number;
  readonly onFollow: (channel: string, stream: EventStream) => void;
  readonly onUnfollow: (channel: string, stream: EventStream) => void;
  /** The client has been sent a PING and its connection took it: as good as a PONG, which it cannot send. */
  readonly onAlive: () => void;
  /** The client has read what waited for it. */
  readonly onDrained: () => void;
  readonly onClosed: () => void;
}

/** No log has it: whoever continues from there is told that it cannot be, and gets the state instead. */
const UNKNOWN_POSITION = '0-0';

/**
 * `channel@position`, separated by spaces: what `id:` holds. Whoever shows one was here before. Where it cannot be read,
 * taking its client for a newcomer would lose what was missed in silence.
 * @param asked the channels of the request: an unreadable part may name any of them
 */
export function readLastEventId(text: string, asked: readonly string[]): Map<string, string> {
  const positions = new Map<string, string>();
  let isReadable = true;
  for (const part of text.split(' ')) {
    if (part === '') continue;
    const at = part.lastIndexOf('@');
    const channel = at > 0 ? parseChannel(part.slice(0, at)) : undefined;
    const position = part.slice(at + 1);
    if (channel) positions.set(channel.channel, parsePosition(position) ? position : UNKNOWN_POSITION);
    else isReadable = false;
  }
  if (!isReadable) for (const name of asked) if (!positions.has(name)) positions.set(name, UNKNOWN_POSITION);
  return positions;
}

/**
 * What is subscribed on a stream: the channels of the request, and those that were joined without having been asked for
 * (`user:`, `role:`) where the client has a position on them.
 */
export function channelsToSubscribe(asked: readonly string[], positions: ReadonlyMap<string, string>): Set<string> {
  const unasked = [...positions.keys()].filter((name) => /^(user|role):/.test(name));
  // Those first, as on a stream that is new: where a connection may not have so many channels, the same ones are left out.
  return new Set([...unasked, ...asked]);
}

/** The frame that a client of a WebSocket would send: the session handles both alike. */
export const subscribeFrame = (channels: ReadonlySet<string>, positions: ReadonlyMap<string, string>): string =>
  JSON.stringify({ type: 'SUBSCRIBE', channels: [...channels], after: Object.fromEntries(positions) });

/** Tells EventSource to wait 1 to 5 seconds before it comes back, so that a gateway's clients do not come all at once. */
const retryMs = (): number => 1_000 + Math.round(Math.random() * 4_000);

/**
 * The beginnings of frames, as `frames.ts` and the publisher write them. Not parsed as a whole: what Redis holds is not
 * ours alone, and an entry that is no JSON must not throw in the middle of a channel's work.
 */
const EVENT = /^\{"id":"(\d+-\d+)","channel":"([\w:-]+)"/;
const ABOUT_CHANNEL =
  /^\{"type":"(SUBSCRIBED|STATE)",(?:"property_id":"[\w-]+",)?"channel":"([\w:-]+)","id":"(\d+-\d+)"/;

/** A comment, which clients pass over. */
const NOTHING_NEW = ':\n\n';

/**
 * A stream names its channels when it is opened. What else it followed would be in the `id:` of every event: with a hundred
 * properties that is ten times what an event has.
 */
const JOINED_ON_STREAMS = ['user', 'role'] as const;

export function openEventStream(options: EventStreamOptions): EventStream {
  const { response } = options;
  const positions = new Map(options.positions);
  let closed = false;
  /** Bytes written since the connection stopped taking them. */
  let waiting = 0;
  /** Something was left out. Whatever came behind it would say in its `id:` that the client had that too. */
  let choked = false;

  response.onAborted(finish);
  response.onWritable(() => {
    // uWebSockets.js leaves what waits where it is, for us to write more; and only with that it goes on.
    if (closed || !response.write(NOTHING_NEW)) return true;
    waiting = 0;
    options.onDrained();
    return true;
  });
  response.cork(() => {
    response.writeStatus('200 OK');
    response.writeHeader('content-type', 'text/event-stream');
    response.writeHeader('cache-control', 'no-cache');
    // Proxies that buffer would hold events back.
    response.writeHeader('x-accel-buffering', 'no');
    for (const [name, value] of options.headers) response.writeHeader(name, value);
    response.write(`retry: ${retryMs()}\n\n`);
  });

  function finish(): void {
    if (closed) return;
    closed = true;
    options.onClosed();
  }

  const hasRoom = (): boolean => !closed && waiting <= options.maxBackpressureBytes;

  function write(text: string): boolean {
    if (!hasRoom()) choked = true;
    if (choked) return false;
    put(text);
    return true;
  }

  function put(text: string): void {
    let taken = true;
    response.cork(() => {
      taken = response.write(text);
    });
    if (!taken || waiting > 0) waiting += text.length;
  }

  /** Which channel a frame moves, and to where: events say so first, the others are few and are read whole. */
  function note(frame: string): void {
    const event = EVENT.exec(frame);
    if (event) {
      positions.set(event[2] as string, event[1] as string);
      return;
    }
    const [, type, channel, id] = ABOUT_CHANNEL.exec(frame) ?? [];
    if (channel === undefined || id === undefined) return;
    // Positions behind a replay, or true of a snapshot, hold only once those have come: a connection may be cut in between,
    // and who resumed from there would never get them. RESYNC says nothing here for the same reason.
    if (type === 'SUBSCRIBED' && (!frame.includes('"replay":0') || frame.includes('"recovered":false'))) return;
    positions.set(channel, id);
  }

  const lastEventId = (): string => [...positions].map(([channel, position]) => `${channel}@${position}`).join(' ');
  const emit = (text: string): boolean => write(`id: ${lastEventId()}\ndata: ${text}\n\n`);

  const stream: EventStream = {
    joins: JOINED_ON_STREAMS,
    asksOnce: true,
    asksFor: (channel) => options.subscribed.has(channel),
    send(frame) {
      const text = textOf(frame);
      if (text === '{"type":"PING"}') {
        const sent = write(': ping\n\n');
        if (sent && waiting === 0) setImmediate(options.onAlive);
        return sent;
      }
      note(text);
      return emit(text);
    },
    publish(channel, frame) {
      const position =
        typeof frame === 'string'
          ? undefined
          : positionInFrame(Buffer.from(frame.buffer, frame.byteOffset, frame.length));
      const text = textOf(frame);
      if (position) positions.set(channel, formatPosition(position));
      else note(text);
      if (!emit(text)) stream.destroy();
    },
    together: (sends) => {
      if (!closed) response.cork(sends);
    },
    follow: (channel) => options.onFollow(channel, stream),
    unfollow: (channel) => options.onUnfollow(channel, stream),
    end({ code, reason }: CloseCode) {
      if (closed) return;
      // The only thing that may come behind what was left out: it has no `id:`.
      if (hasRoom()) put(`event: close\ndata: ${JSON.stringify({ code, reason })}\n\n`);
      if (closed) return;
      response.cork(() => response.end());
      finish();
    },
    destroy() {
      if (closed) return;
      response.close();
      finish();
    },
    get bufferedBytes() {
      return waiting;
    },
  };
  return stream;
}

const textOf = (frame: Frame): string => (typeof frame === 'string' ? frame : Buffer.from(frame).toString('utf8'));
