/**
 * What one client says, and what comes of it. Commands are handled one after the other, in the order in which they came,
 * also where one has to wait for Redis: a client may send all its first frames at once.
 */
import type { Identity } from '@belfry/shared/auth';
import { CLOSE_CODES, type JoinKind, PROTOCOL_VERSION, type Ref } from '@belfry/shared/protocol';
import { authenticate, MAX_WRONG_TOKENS, mindExpiry, type TokenSession } from './authentication.js';
import { type BadFrame, type ClientFrame, readClientFrame } from './client-frame.js';
import { getState, getStatus, subscribe, unsubscribe, withRef } from './commands.js';
import { Connection } from './connection.js';
import { perMinute, type SessionDetails } from './details.js';
import { NO_TYPES, readTypes, typeOf, withType } from './last-types.js';
import { takeTokens, tokensLeft } from './rate-limit.js';

/** Commands a client may have waiting behind one that waits for Redis. The rate limit bounds them before this does. */
const MAX_QUEUED = 256;
/** Messages over the rate limit, in a row, after which a connection is closed. */
const MAX_OVER_LIMIT = 50;
/** Frames from somebody of whom no token is known yet, nor being checked. */
const MAX_STRANGERS_FRAMES = 12;
/**
 * What a frame counts for that no client of ours sends before it has said who it is: no JSON, no text, a WebSocket's ping.
 * Three are answered, so that whoever writes a client learns what is wrong; each costs more than a frame that is right.
 */
const ODD_FRAME = 4;
const CHANNELS_PER_TOKEN = 50;
const PING_FRAME = '{"type":"PING"}';

type Done = () => void;

export class Session extends Connection implements TokenSession {
  wrongTokens = 0;
  cancelExpiry: (() => void) | undefined;
  joinKinds: readonly JoinKind[] | undefined;
  #identity: Identity | undefined;
  /** Of its token bucket. */
  #fullAt = 0;
  #queue: (ClientFrame | BadFrame)[] | undefined;
  #received = 0;
  #lastTypes = NO_TYPES;
  #overLimit = 0;
  #strangersFrames = 0;
  #pingOutstanding = false;

  get identity(): Identity | undefined {
    return this.#identity;
  }

  get asksOnce(): boolean {
    return this.socket.asksOnce === true;
  }

  asksFor(channel: string): boolean {
    return this.socket.asksFor?.(channel) === true;
  }

  details(): SessionDetails {
    const now = this.context.clock.now();
    return {
      connection_id: this.id,
      node: this.context.node,
      user_id: this.#identity?.userId,
      role: this.#identity?.role,
      address: this.address,
      connected_at: this.connectedAtMs / 1000,
      last_seen: (this.context.bornMs + this.lastSeenAt) / 1000,
      expires_at: this.#identity?.expiresAt,
      buffered_bytes: this.isClosed ? 0 : this.socket.bufferedBytes,
      messages_received: this.#received,
      messages_per_minute: perMinute(this.#received, now - this.connectedAtMs),
      messages_left: Math.floor(tokensLeft(this.#fullAt, this.context.rateLimit, now - this.context.bornMs)),
      last_messages: readTypes(this.#lastTypes),
      subscriptions: this.subscriptions.positions(),
    };
  }

  /** The connection is open. A token that came with it is checked at once, and has to be good. */
  open(token: string | undefined): void {
    const context = this.context;
    this.send({
      type: 'WELCOME',
      connection_id: this.id,
      server_time: context.clock.now() / 1000,
      heartbeat_interval: context.heartbeatMs / 1000,
      reconnect: context.reconnectAdvice(),
      protocol: PROTOCOL_VERSION,
      node: context.node,
    });
    if (token === undefined) return;
    // Who brings a wrong token along gets no second try on this connection.
    this.wrongTokens = MAX_WRONG_TOKENS - 1;
    this.#run({ type: 'AUTHENTICATE', token, join: this.socket.joins, ref: undefined });
  }

  /** A text frame came in. */
  receive(text: string): void {
    if (!this.isOpen || !this.#withinStrangersLimit()) return;
    this.trace?.('in', text);
    const now = this.context.clock.now();
    // Never back: the clock may have been set a moment ago, and `bornMs` not yet.
    this.lastSeenAt = Math.max(this.lastSeenAt, now - this.context.bornMs);
    const frame = readClientFrame(text);
    const type = typeOf(frame);
    if ('error' in frame) this.#strangersFrames += ODD_FRAME - 1;
    this.context.metrics.received(type);
    this.#received += 1;
    this.#lastTypes = withType(this.#lastTypes, type);
    if (type === 'PONG' && this.#pingOutstanding) {
      this.#pingOutstanding = false;
      return;
    }
    if (!this.#withinRate(now, frame.ref, costOf(frame))) return;
    if (!this.#queue) this.#run(frame);
    else if (this.#queue.length < MAX_QUEUED) this.#queue.push(frame);
    else this.end(CLOSE_CODES.rateLimited);
  }

  /** A binary frame came in: the protocol has none. */
  receiveBinary(): void {
    if (!this.isOpen || !this.#withinStrangersLimit(ODD_FRAME)) return;
    if (this.#withinRate(this.context.clock.now(), undefined, 1))
      this.error('bad_message', 'frames must be text, not binary');
  }

  /** A WebSocket ping, which is answered below us: a flood of them is one of messages. */
  receivePing(): void {
    if (!this.isOpen || !this.#withinStrangersLimit(ODD_FRAME)) return;
    this.#withinRate(this.context.clock.now(), undefined, 1);
  }

  /** Called once per heartbeat interval. */
  heartbeat(now: number): void {
    if (!this.mayGoOn(now)) return;
    mindExpiry(this, now);
    this.#pingOutstanding = true;
    this.sendFrame(PING_FRAME);
    this.context.metrics.sent('PING');
  }

  actFor(identity: Identity): void {
    this.#identity = identity;
    this.state = 'authenticated';
  }

  override closed(): void {
    this.#queue = undefined;
    this.cancelExpiry?.();
    super.closed();
  }

  #run(frame: ClientFrame | BadFrame): void {
    const started = this.context.clock.now();
    let finished = false;
    const done = (): void => {
      finished = true;
      this.context.metrics.handled(typeOf(frame), this.context.clock.now() - started);
      if (this.#queue) this.#next();
    };
    this.#handle(frame, done);
    if (!finished) this.#queue = [];
  }

  /** Goes on with what was sent behind a command that had to wait; not once the session has come to its end meanwhile. */
  #next(): void {
    const queue = this.#queue;
    this.#queue = undefined;
    while (queue && queue.length > 0 && !this.#queue && this.isOpen) {
      this.#run(queue.shift() as ClientFrame | BadFrame);
    }
    if (queue && queue.length > 0 && this.isOpen) this.#queue = queue;
  }

  #handle(frame: ClientFrame | BadFrame, done: Done): void {
    if ('error' in frame) {
      this.error(frame.error, frame.message, { ref: frame.ref });
      return done();
    }
    switch (frame.type) {
      case 'PING':
        this.send({ type: 'PONG', ...withRef(frame.ref) });
        return done();
      case 'PONG':
        return done();
      case 'GET_STATUS':
        getStatus(this, frame.ref);
        return done();
      case 'AUTHENTICATE':
        return authenticate(this, frame, done);
      case 'SUBSCRIBE':
      case 'UNSUBSCRIBE':
      case 'GET_STATE':
        if (!this.#identity) {
          this.error('not_authenticated', 'send AUTHENTICATE first', { ref: frame.ref });
          return done();
        }
        if (frame.type === 'SUBSCRIBE') return subscribe(this, this.#identity, frame, done);
        if (frame.type === 'UNSUBSCRIBE') return unsubscribe(this, frame, done);
        return getState(this, this.#identity, frame, done);
    }
  }

  /**
   * Who has not said who he is, and sends anything else, is cut off before his frames are even parsed, and without a word:
   * an orderly close would leave a socket behind that goes on being read until it comes to its end.
   */
  #withinStrangersLimit(cost = 1): boolean {
    if (this.#identity || this.#queue) return true;
    this.#strangersFrames += cost;
    if (this.#strangersFrames <= MAX_STRANGERS_FRAMES) return true;
    this.context.metrics.closed(CLOSE_CODES.rateLimited.code);
    this.context.onFlood(this.address);
    this.destroy();
    return false;
  }

  #withinRate(now: number, ref: Ref | undefined, cost: number): boolean {
    const fullAt = takeTokens(this.#fullAt, cost, this.context.rateLimit, Math.max(0, now - this.context.bornMs));
    if (fullAt >= 0) {
      this.#fullAt = fullAt;
      this.#overLimit = 0;
      return true;
    }
    const retryAfterMs = -fullAt;
    this.#overLimit += 1;
    this.context.metrics.rateLimited();
    if (this.#overLimit > MAX_OVER_LIMIT) this.end(CLOSE_CODES.rateLimited);
    else this.error('rate_limited', 'Rate limit exceeded', { ref, retry_after_ms: retryAfterMs });
    return false;
  }
}

/** Fifty channels cost as much as one message: a portfolio passes at once, walking through all names does not. */
const costOf = (frame: ClientFrame | BadFrame): number =>
  'channels' in frame ? Math.ceil(frame.channels.length / CHANNELS_PER_TOKEN) : 1;
