/**
 * One connection to one gateway, as any client has it: signs in, subscribes, resumes where it was after a break, and
 * says what it got and whether the order was right.
 */
import { isNext, type Position, parsePosition } from '@belfry/shared/protocol';
import type { Backoff, Clock } from '@belfry/shared/service';
import { WebSocket } from 'ws';

export interface ListenerEvents {
  /** An event came, live or out of the log. */
  readonly onEvent: (event: Readonly<Record<string, unknown>>, how: 'live' | 'replayed') => void;
  /** The gateway said that continuity is lost: what was not received by now will not come. */
  readonly onTold: () => void;
  readonly onDisorder: (kind: 'gap' | 'repeat', after: Position, got: Position) => void;
  readonly onConnect: (outcome: 'connected' | 'failed', reason: string) => void;
}

export interface ListenerOptions extends ListenerEvents {
  readonly url: string;
  /** Connect to this address instead of looking the URL's host up. */
  readonly address: string;
  readonly channel: string;
  /** A fresh token for every connection. */
  readonly token: () => string;
  readonly clock: Clock;
  readonly backoff: Backoff;
  /** Milliseconds to keep away from a gateway that said it is going, until it is no longer among the addresses. */
  readonly awayMs: number;
}

export interface Listener {
  /** Whether it is subscribed now, and so should get every event. */
  readonly joined: boolean;
  close(): void;
}

/** Opening, signing in and subscribing together must not take longer. */
const JOIN_TIMEOUT_MS = 10_000;

export function createListener(options: ListenerOptions): Listener {
  const { channel, clock } = options;
  let position: Position | undefined;
  let joined = false;
  let closed = false;
  let replayLeft = 0;
  let leaving = false;
  let socket: WebSocket | undefined;
  let cancelTimer: (() => void) | undefined;

  function open(): void {
    joined = false;
    leaving = false;
    const family = options.address.includes(':') ? 6 : 4;
    const current = new WebSocket(options.url, {
      headers: { authorization: `Bearer ${options.token()}` },
      perMessageDeflate: false,
      handshakeTimeout: JOIN_TIMEOUT_MS,
      lookup: (_host, { all }, answer) => {
        if (all) answer(null, [{ address: options.address, family }]);
        else answer(null, options.address, family);
      },
    });
    socket = current;
    let reason = 'closed before it was subscribed';
    cancelTimer = clock.after(JOIN_TIMEOUT_MS, () => {
      reason = 'not subscribed in time';
      current.terminate();
    });
    current.on('error', (error) => {
      reason = error.message;
    });
    current.on('message', (data) => receive(current, JSON.parse(String(data)) as Readonly<Record<string, unknown>>));
    current.on('close', (code) => {
      cancelTimer?.();
      if (!joined && !closed) options.onConnect('failed', `${reason} (${code})`);
      joined = false;
      if (closed) return;
      cancelTimer = clock.after(leaving ? options.awayMs : options.backoff.next(), open);
    });
  }

  function receive(current: WebSocket, frame: Readonly<Record<string, unknown>>): void {
    switch (frame.type) {
      case 'AUTHENTICATED':
        if (!joined) {
          const after = position ? { after: `${position.epoch}-${position.offset}` } : {};
          current.send(JSON.stringify({ type: 'SUBSCRIBE', channel, ...after }));
        }
        return;
      case 'SUBSCRIBED':
        if (frame.channel === channel) subscribed(frame);
        return;
      case 'RESYNC':
        // Of the others that the gateway joins by itself, such as the role's, nothing is expected.
        if (frame.channel !== channel) return;
        position = parsePosition(frame.id);
        return options.onTold();
      case 'TOKEN_EXPIRING':
        return current.send(JSON.stringify({ type: 'AUTHENTICATE', token: options.token() }));
      case 'PING':
        return current.send('{"type":"PONG"}');
      case 'GOING_AWAY':
        leaving = true;
        return;
      default:
        if (joined && frame.channel === channel && frame.id !== undefined) event(frame);
    }
  }

  function subscribed(frame: Readonly<Record<string, unknown>>): void {
    cancelTimer?.();
    joined = true;
    options.backoff.reset();
    options.onConnect('connected', '');
    if (position && frame.recovered === true) {
      replayLeft = Number(frame.replay ?? 0);
      return;
    }
    if (position) options.onTold();
    replayLeft = 0;
    position = parsePosition(frame.id);
  }

  function event(frame: Readonly<Record<string, unknown>>): void {
    const got = parsePosition(frame.id);
    if (frame.type === 'STATE' || !got) return;
    if (position && !isNext(position, got) && !beginsLaterEpoch(position, got)) {
      const repeat = got.epoch === position.epoch && got.offset <= position.offset;
      options.onDisorder(repeat ? 'repeat' : 'gap', position, got);
      if (repeat) return;
    }
    position = got;
    const how = replayLeft > 0 ? 'replayed' : 'live';
    replayLeft = Math.max(0, replayLeft - 1);
    options.onEvent(frame, how);
  }

  open();
  return {
    get joined() {
      return joined;
    },
    close: () => {
      closed = true;
      joined = false;
      cancelTimer?.();
      socket?.terminate();
    },
  };
}

/** The gateway vouches for what was before a new epoch: it would have sent RESYNC otherwise. */
const beginsLaterEpoch = (last: Position, next: Position): boolean => next.epoch > last.epoch && next.offset < 2;
