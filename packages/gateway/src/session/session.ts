/**
 * One client's life on a gateway. Commands are handled one after the other, in the order in which they came, also where
 * one has to wait for Redis: a client may send all its first frames at once.
 *
 *   waiting for a token ──► authenticated ──► closing (told why) ──► closed
 *                      └──────────────────┴─► poisoned (too slow: gets nothing more) ──┘
 */
import { authorise, type Identity, type Verification } from '@belfry/shared/auth';
import {
  CLOSE_CODES,
  type CloseCode,
  type ErrorCode,
  type GatewayMessage,
  type ParsedChannel,
  PROTOCOL_VERSION,
  parseChannel,
  type Ref,
} from '@belfry/shared/protocol';
import { unsubscribedFrame } from '../channels/frames.js';
import type { Frame } from '../channels/subscriber.js';
import { automaticChannels } from './automatic-channels.js';
import { type BadFrame, type ClientFrame, readClientFrame } from './client-frame.js';
import {
  type CommandSession,
  type ErrorDetails,
  getState,
  getStatus,
  subscribe,
  unsubscribe,
  withRef,
} from './commands.js';
import type { SessionContext } from './context.js';
import { EXPIRY_NOTICE_MS, watchExpiry } from './expiry.js';
import { NO_TYPES, readTypes, typeOf, withType } from './last-types.js';
import { takeTokens, tokensLeft } from './rate-limit.js';
import type { Socket } from './socket.js';
import { Subscriptions } from './subscriptions.js';

type SessionState = 'anonymous' | 'authenticated' | 'closing' | 'poisoned' | 'closed';

/** Commands a client may have waiting behind one that waits for Redis. The rate limit bounds them before this does. */
const MAX_QUEUED = 256;
/** Wrong tokens after which a connection is closed instead of being told once more. */
const MAX_WRONG_TOKENS = 3;
/** Messages over the rate limit, in a row, after which a connection is closed. */
const MAX_OVER_LIMIT = 50;
/** Frames of whatever kind from somebody of whom no token is known yet, nor being checked. */
const MAX_STRANGERS_FRAMES = 12;
/** What a client that is too slow gets to read what it was sent before, and its close frame. */
const POISONED_MS = 3_000;
const CHANNELS_PER_TOKEN = 50;
const UNASKED = { rewind: undefined, ref: undefined, announced: false, onReplayed: undefined };
const PING_FRAME = '{"type":"PING"}';

type Done = () => void;

/** A connection as operators see it. */
export interface SessionDetails {
  readonly connection_id: string;
  readonly node: string;
  readonly user_id: string | undefined;
  readonly role: string | undefined;
  readonly address: string;
  /** Seconds since 1970. */
  readonly connected_at: number;
  readonly last_seen: number;
  readonly expires_at: number | undefined;
  /** Bytes that wait for the client to read them. */
  readonly buffered_bytes: number;
  readonly messages_received: number;
  /** On average over the connection's life. */
  readonly messages_per_minute: number;
  /** What it may send at once before it is over its rate. */
  readonly messages_left: number;
  readonly last_messages: readonly string[];
  /** Channels, and where each stands. */
  readonly subscriptions: Readonly<Record<string, string>>;
}

export class Session implements CommandSession {
  readonly serial: number;
  /** Which spoke of the heartbeat's wheel it stands on. */
  readonly spoke: number;
  readonly address: string;
  readonly context: SessionContext;
  readonly #socket: Socket;
  readonly subscriptions: Subscriptions;
  /** Times are milliseconds since the context's `bornMs`. */
  readonly #connectedAt: number;
  #lastSeenAt: number;
  /** Of its token bucket. */
  #fullAt = 0;
  /** 0 for any age. */
  readonly #maxAgeSeconds: number;
  #state: SessionState = 'anonymous';
  #identity: Identity | undefined;
  #queue: (ClientFrame | BadFrame)[] | undefined;
  /** Told of every frame, while an operator traces the user. */
  trace: ((direction: 'in' | 'out', text: string) => void) | undefined;
  #received = 0;
  #lastTypes = NO_TYPES;
  #wrongTokens = 0;
  #overLimit = 0;
  #strangersFrames = 0;
  #pingOutstanding = false;
  #chokedChecks = 0;
  #cancelExpiry: (() => void) | undefined;

  constructor(context: SessionContext, socket: Socket, serial: number, spoke: number, address: string) {
    this.context = context;
    this.#socket = socket;
    this.subscriptions = new Subscriptions(socket, this);
    this.serial = serial;
    this.spoke = spoke;
    this.address = address;
    this.#connectedAt = context.clock.now() - context.bornMs;
    this.#lastSeenAt = this.#connectedAt;
    this.#maxAgeSeconds = Math.ceil(context.maxAgeMs() / 1_000) | 0;
  }

  get id(): string {
    return `${this.context.node}-${this.context.startedAt}-${this.serial.toString(36)}`;
  }
  get connectedAtMs(): number {
    return this.context.bornMs + this.#connectedAt;
  }
  get identity(): Identity | undefined {
    return this.#identity;
  }
  get authenticated(): boolean {
    return this.#identity !== undefined;
  }
  get subscriptionCount(): number {
    return this.subscriptions.size;
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
      last_seen: (this.context.bornMs + this.#lastSeenAt) / 1000,
      expires_at: this.#identity?.expiresAt,
      buffered_bytes: this.#state === 'closed' ? 0 : this.#socket.bufferedBytes,
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
    this.#wrongTokens = MAX_WRONG_TOKENS - 1;
    this.#run({ type: 'AUTHENTICATE', token, ref: undefined });
  }

  /** A text frame came in. */
  receive(text: string): void {
    if (!this.#isOpen() || !this.#withinStrangersLimit()) return;
    this.trace?.('in', text);
    const now = this.context.clock.now();
    this.#lastSeenAt = now - this.context.bornMs;
    const frame = readClientFrame(text);
    const type = typeOf(frame);
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
    if (!this.#isOpen() || !this.#withinStrangersLimit()) return;
    if (this.#withinRate(this.context.clock.now(), undefined, 1))
      this.error('bad_message', 'frames must be text, not binary');
  }

  /** A WebSocket ping, which is answered below us: a flood of them is one of messages. */
  receivePing(): void {
    if (!this.#isOpen() || !this.#withinStrangersLimit()) return;
    this.#withinRate(this.context.clock.now(), undefined, 1);
  }

  /** Called once per heartbeat interval. */
  heartbeat(now: number): void {
    const at = now - this.context.bornMs;
    if (at - this.#lastSeenAt > this.context.heartbeatMs * 2.5) {
      // A peer that has gone without a word will not read a close frame either.
      this.end(CLOSE_CODES.noHeartbeat);
      return;
    }
    if (this.#maxAgeSeconds > 0 && at - this.#connectedAt > this.#maxAgeSeconds * 1_000) {
      this.goingAway('maximum age', 0);
      this.end(CLOSE_CODES.maximumAge);
      return;
    }
    this.#watchExpiry(now);
    this.#pingOutstanding = true;
    this.sendFrame(PING_FRAME);
    this.context.metrics.sent('PING');
  }

  /** The deadline for authentication has passed. */
  authenticationOverdue(): void {
    if (this.#state === 'anonymous') this.end(CLOSE_CODES.authenticationTimeout);
  }

  /** Closes in order, with a reason. */
  end(close: CloseCode): void {
    if (this.#state === 'closing' || this.#state === 'poisoned' || this.#state === 'closed') return;
    this.#state = 'closing';
    this.context.metrics.closed(close.code);
    this.#socket.end(close);
  }

  /** The connection will close soon: tells the client when to come back. */
  goingAway(reason: string, reconnectAfterMs: number): void {
    this.send({ type: 'GOING_AWAY', reason, reconnect_after_ms: Math.round(reconnectAfterMs) });
  }

  /**
   * Something for this client was dropped: there is a hole in what it got. Nothing more is sent to it, and it is closed;
   * recovery fills the hole when it comes back. Never closes here and now: this is called from inside a send.
   */
  poison(): void {
    if (this.#state === 'poisoned' || this.#state === 'closed') return;
    this.#state = 'poisoned';
    this.context.metrics.closed(CLOSE_CODES.slowConsumer.code);
    this.context.afterThisTurn(() => {
      if (this.#isClosed()) return;
      this.subscriptions.leaveAll();
      this.#socket.end(CLOSE_CODES.slowConsumer);
      // A client that does not read does not read the close frame either.
      this.context.clock.after(POISONED_MS, () => this.destroy());
    });
  }

  /** Called at intervals: a client for which bytes have been waiting all the time is too slow, however few they are. */
  checkPace(maxChecks: number): void {
    if (this.#state === 'closed' || this.#state === 'poisoned') return;
    this.#chokedChecks = this.#socket.bufferedBytes > 0 ? this.#chokedChecks + 1 : 0;
    if (this.#chokedChecks > maxChecks) this.poison();
  }

  /** The client has read what waited for it. */
  drained(): void {
    if (this.#state !== 'authenticated') return;
    // Who reads a long replay has bytes waiting all the time.
    if (this.subscriptions.drained()) this.#chokedChecks = 0;
  }

  /** The connection is gone. */
  closed(): void {
    this.#state = 'closed';
    this.#queue = undefined;
    this.#cancelExpiry?.();
    this.subscriptions.forget();
  }

  #isOpen(): boolean {
    return this.#state === 'anonymous' || this.#state === 'authenticated';
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  destroy(): void {
    if (this.#state !== 'closed') this.#socket.destroy();
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
    while (queue && queue.length > 0 && !this.#queue && this.#isOpen()) {
      this.#run(queue.shift() as ClientFrame | BadFrame);
    }
    if (queue && queue.length > 0 && this.#isOpen()) this.#queue = queue;
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
        return this.#authenticate(frame.token, frame.ref, done);
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

  #authenticate(token: string, ref: Ref | undefined, done: Done): void {
    const verification = this.context.verify(token);
    if (!(verification instanceof Promise)) {
      this.#verified(verification, ref);
      return done();
    }
    verification.then((result) => {
      if (this.#isOpen()) this.#verified(result, ref);
      done();
    });
  }

  #verified(verification: Verification, ref: Ref | undefined): void {
    if (!verification.ok) {
      this.context.metrics.authenticated(verification.code);
      this.error(verification.code, verification.message, { ref });
      this.#wrongTokens += 1;
      const close = verification.code === 'token_expired' ? CLOSE_CODES.tokenExpired : CLOSE_CODES.tokenInvalid;
      if (this.#wrongTokens >= MAX_WRONG_TOKENS) this.end(close);
      return;
    }
    const { identity } = verification;
    if (this.context.isRevoked(identity)) {
      // It was revoked after its check, and before this session could be found among the user's.
      this.context.metrics.authenticated('token_invalid');
      this.end(CLOSE_CODES.tokenRevoked);
      return;
    }
    if (this.#identity && this.#identity.userId !== identity.userId) {
      this.error('forbidden', 'a connection belongs to one user; open another one', { ref });
      return;
    }
    const first = this.#identity === undefined;
    if (first && !this.context.admit(identity.userId)) {
      this.end(CLOSE_CODES.tooManyConnections);
      return;
    }
    this.context.authenticated(this);
    this.context.metrics.authenticated('ok');
    const { accessPolicy, automaticJoins, maxSubscriptions } = this.context;
    const automatic = (who: Identity): readonly ParsedChannel[] =>
      automaticChannels(who, automaticJoins, accessPolicy, maxSubscriptions);
    const before = this.#identity ? automatic(this.#identity) : [];
    this.#identity = identity;
    this.#state = 'authenticated';
    this.#wrongTokens = 0;
    const channels = automatic(identity);
    this.send({
      type: 'AUTHENTICATED',
      user_id: identity.userId,
      ...(identity.role ? { role: identity.role } : {}),
      expires_at: identity.expiresAt,
      channels: channels.map(({ channel }) => channel),
      ...withRef(ref),
    });
    this.#cancelExpiry?.();
    this.#cancelExpiry = undefined;
    this.#watchExpiry(this.context.clock.now());
    if (!first) this.#leaveForbidden(identity);
    // What the client follows already it must not join anew: it would miss what comes in between, and not be told.
    for (const parsed of channels) {
      if (first) this.#joinUnasked(parsed);
      else if (!before.some(({ channel }) => channel === parsed.channel) && !this.subscriptions.has(parsed.channel)) {
        this.#joinUnasked(parsed);
      }
    }
  }

  /** Timers are set only once the end is near: ten thousand tokens that last for hours need none. */
  #watchExpiry(now: number): void {
    if (!this.#identity || this.#cancelExpiry) return;
    const expiresAtMs = this.#identity.expiresAt * 1000;
    if (expiresAtMs - now > EXPIRY_NOTICE_MS + 2 * this.context.heartbeatMs) return;
    this.#cancelExpiry = watchExpiry(this.context.clock, expiresAtMs, {
      onNotice: () => this.send({ type: 'TOKEN_EXPIRING', expires_at: expiresAtMs / 1000 }),
      onExpired: () => this.end(CLOSE_CODES.tokenExpired),
    });
  }

  #joinUnasked(channel: ParsedChannel): void {
    this.subscriptions.join(channel.channel, undefined, this.context, this.context.hub.channels.get(channel.channel), {
      ...UNASKED,
      onOutcome: (outcome) => {
        // While Redis is away; the client was promised this channel.
        if (outcome === 'unavailable') this.#joinUnasked(channel);
      },
    });
  }

  /** A narrower token takes effect at once, also on what is still being waited for. */
  #leaveForbidden(identity: Identity): void {
    for (const name of this.subscriptions.wanted()) {
      const channel = parseChannel(name);
      if (channel && authorise(identity, 'read', channel, this.context.accessPolicy)) continue;
      this.subscriptions.leave(name);
      this.sendFrame(unsubscribedFrame(name, undefined, 'forbidden'));
      this.context.metrics.sent('UNSUBSCRIBED');
    }
  }

  /**
   * Who has not said who he is, and sends anything else, is cut off before his frames are even parsed, and without a word:
   * an orderly close would leave a socket behind that goes on being read until it comes to its end.
   */
  #withinStrangersLimit(): boolean {
    if (this.#identity || this.#queue) return true;
    this.#strangersFrames += 1;
    if (this.#strangersFrames <= MAX_STRANGERS_FRAMES) return true;
    this.context.metrics.closed(CLOSE_CODES.rateLimited.code);
    this.context.onFlood(this.address);
    this.destroy();
    return false;
  }

  #withinRate(now: number, ref: Ref | undefined, cost: number): boolean {
    const fullAt = takeTokens(this.#fullAt, cost, this.context.rateLimit, now - this.context.bornMs);
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

  error(code: ErrorCode, message: string, more: ErrorDetails = {}): void {
    const { ref, ...rest } = more;
    this.context.metrics.failed(code);
    this.send({ type: 'ERROR', code, message, ...rest, ...withRef(ref) });
  }

  send(message: GatewayMessage): void {
    this.sendFrame(JSON.stringify(message));
    this.context.metrics.sent(message.type);
  }

  sendFrame(frame: Frame): void {
    if (this.#state === 'closed' || this.#state === 'poisoned' || this.#state === 'closing') return;
    this.trace?.('out', typeof frame === 'string' ? frame : Buffer.from(frame).toString());
    if (!this.#socket.send(frame)) this.poison();
  }
}

/** Fifty channels cost as much as one message: a portfolio passes at once, walking through all names does not. */
const costOf = (frame: ClientFrame | BadFrame): number =>
  'channels' in frame ? Math.ceil(frame.channels.length / CHANNELS_PER_TOKEN) : 1;

/** With one decimal; within the first second as if it had lasted one. */
const perMinute = (count: number, ms: number): number => Math.round((count / Math.max(ms, 1_000)) * 600_000) / 10;
