/**
 * One client's life on a gateway. Commands are handled one after the other, in the order in which they came, also where
 * one has to wait for Redis: a client may send all its first frames at once.
 *
 *   waiting for a token ──► authenticated ──► closing (told why) ──► closed
 *                      └──────────────────┴─► poisoned (too slow: gets nothing more) ──┘
 */
import { authorise, type Identity } from '@belfry/shared/auth';
import {
  CLOSE_CODES,
  type CloseCode,
  type ErrorCode,
  type GatewayMessage,
  PROTOCOL_VERSION,
  parseChannel,
  type Ref,
  roleChannel,
  userChannel,
} from '@belfry/shared/protocol';
import { stateFrame, unsubscribedFrame } from '../channels/frames.js';
import type { Frame } from '../channels/subscriber.js';
import { type BadFrame, type ClientFrame, type NamedChannel, readClientFrame } from './client-frame.js';
import { TokenBucket } from './rate-limit.js';
import type { SessionContext } from './sessions.js';
import type { Socket } from './socket.js';
import { Subscriptions } from './subscriptions.js';

type SessionState = 'anonymous' | 'authenticated' | 'closing' | 'poisoned' | 'closed';

/** Commands a client may have waiting behind one that waits for Redis. The rate limit bounds them before this does. */
const MAX_QUEUED = 256;
/** Wrong tokens after which a connection is closed instead of being told once more. */
const MAX_WRONG_TOKENS = 3;
/** Messages over the rate limit, in a row, after which a connection is closed. */
const MAX_OVER_LIMIT = 50;
/** How long before its expiry a client is asked for a newer token. */
const EXPIRY_NOTICE_SECONDS = 60;
/** What a client that is too slow gets to read what it was sent before, and its close frame. */
const POISONED_MS = 3_000;
const PING_FRAME = '{"type":"PING"}';

type Done = () => void;

export class Session {
  readonly serial: number;
  readonly address: string;
  readonly connectedAtMs: number;
  lastSeenMs: number;
  readonly #context: SessionContext;
  readonly #socket: Socket;
  readonly #subscriptions: Subscriptions;
  readonly #bucket: TokenBucket;
  #state: SessionState = 'anonymous';
  #identity: Identity | undefined;
  #queue: (ClientFrame | BadFrame)[] | undefined;
  #wrongTokens = 0;
  #overLimit = 0;
  #pingOutstanding = false;
  #chokedChecks = 0;
  #cancelExpiry: (() => void) | undefined;

  constructor(context: SessionContext, socket: Socket, serial: number, address: string) {
    this.#context = context;
    this.#socket = socket;
    this.#subscriptions = new Subscriptions(socket, (frame) => this.#sendFrame(frame));
    this.serial = serial;
    this.address = address;
    this.connectedAtMs = context.clock.now();
    this.lastSeenMs = this.connectedAtMs;
    this.#bucket = new TokenBucket(context.rateLimit, this.connectedAtMs);
  }

  get id(): string {
    return `${this.#context.node}-${this.#context.startedAt}-${this.serial.toString(36)}`;
  }
  get identity(): Identity | undefined {
    return this.#identity;
  }
  get authenticated(): boolean {
    return this.#identity !== undefined;
  }
  get subscriptionCount(): number {
    return this.#subscriptions.size;
  }

  /** The connection is open. A token that came with it is checked at once, and has to be good. */
  open(token: string | undefined): void {
    const context = this.#context;
    this.#send({
      type: 'WELCOME',
      connection_id: this.id,
      server_time: context.clock.now() / 1000,
      heartbeat_interval: context.heartbeatMs / 1000,
      reconnect: context.reconnectAdvice(),
      protocol: PROTOCOL_VERSION,
      node: context.node,
    });
    if (token === undefined) return;
    this.#authenticate(token, undefined);
    if (this.#state === 'anonymous') this.end(CLOSE_CODES.tokenInvalid);
  }

  /** A text frame came in. */
  receive(text: string): void {
    if (this.#state !== 'anonymous' && this.#state !== 'authenticated') return;
    const now = this.#context.clock.now();
    this.lastSeenMs = now;
    const frame = readClientFrame(text);
    this.#context.metrics.received(typeOf(frame));
    if (typeOf(frame) === 'PONG' && this.#pingOutstanding) {
      this.#pingOutstanding = false;
      return;
    }
    if (!this.#withinRate(now, frame.ref)) return;
    if (!this.#queue) this.#run(frame);
    else if (this.#queue.length < MAX_QUEUED) this.#queue.push(frame);
    else this.end(CLOSE_CODES.rateLimited);
  }

  /** A binary frame came in: the protocol has none. */
  receiveBinary(): void {
    if (this.#withinRate(this.#context.clock.now(), undefined))
      this.#error('bad_message', 'frames must be text, not binary');
  }

  /** Called once per heartbeat interval. */
  heartbeat(now: number): void {
    if (now - this.lastSeenMs > this.#context.heartbeatMs * 2.5) {
      // A peer that has gone without a word will not read a close frame either.
      this.end(CLOSE_CODES.noHeartbeat);
      return;
    }
    this.#pingOutstanding = true;
    this.#sendFrame(PING_FRAME);
    this.#context.metrics.sent('PING');
  }

  /** The deadline for authentication has passed. */
  authenticationOverdue(): void {
    if (this.#state === 'anonymous') this.end(CLOSE_CODES.authenticationTimeout);
  }

  /** Closes in order, with a reason. */
  end(close: CloseCode): void {
    if (this.#state === 'closing' || this.#state === 'poisoned' || this.#state === 'closed') return;
    this.#state = 'closing';
    this.#context.metrics.closed(close.code);
    this.#socket.end(close);
  }

  /** The connection will close soon: tells the client when to come back. */
  goingAway(reason: string, reconnectAfterMs: number): void {
    this.#send({ type: 'GOING_AWAY', reason, reconnect_after_ms: Math.round(reconnectAfterMs) });
  }

  /**
   * Something for this client was dropped: there is a hole in what it got. Nothing more is sent to it, and it is closed;
   * recovery fills the hole when it comes back. Never closes here and now: this is called from inside a send.
   */
  poison(): void {
    if (this.#state === 'poisoned' || this.#state === 'closed') return;
    this.#state = 'poisoned';
    this.#context.metrics.closed(CLOSE_CODES.slowConsumer.code);
    this.#context.afterThisTurn(() => {
      if (this.#isClosed()) return;
      this.#subscriptions.leaveAll();
      this.#socket.end(CLOSE_CODES.slowConsumer);
      // A client that does not read does not read the close frame either.
      this.#context.clock.after(POISONED_MS, () => this.destroy());
    });
  }

  /** Called at intervals: a client for which bytes have been waiting all the time is too slow, however few they are. */
  checkPace(maxChecks: number): void {
    if (this.#state === 'closed' || this.#state === 'poisoned') return;
    this.#chokedChecks = this.#socket.bufferedBytes > 0 ? this.#chokedChecks + 1 : 0;
    if (this.#chokedChecks > maxChecks) this.poison();
  }

  /** The connection is gone. */
  closed(): void {
    this.#state = 'closed';
    this.#queue = undefined;
    this.#cancelExpiry?.();
    this.#subscriptions.forget();
  }

  #isClosed(): boolean {
    return this.#state === 'closed';
  }

  destroy(): void {
    if (this.#state !== 'closed') this.#socket.destroy();
  }

  #run(frame: ClientFrame | BadFrame): void {
    const started = this.#context.clock.now();
    let finished = false;
    const done = (): void => {
      finished = true;
      this.#context.metrics.handled(typeOf(frame), this.#context.clock.now() - started);
      if (this.#queue) this.#next();
    };
    this.#handle(frame, done);
    if (!finished) this.#queue = [];
  }

  #next(): void {
    const queue = this.#queue;
    this.#queue = undefined;
    while (queue && queue.length > 0 && !this.#queue) this.#run(queue.shift() as ClientFrame | BadFrame);
    if (queue && queue.length > 0) this.#queue = queue;
  }

  #handle(frame: ClientFrame | BadFrame, done: Done): void {
    if ('error' in frame) {
      this.#error(frame.error, frame.message, { ref: frame.ref });
      return done();
    }
    switch (frame.type) {
      case 'PING':
        this.#send({ type: 'PONG', ...withRef(frame.ref) });
        return done();
      case 'PONG':
        return done();
      case 'GET_STATUS':
        this.#status(frame.ref);
        return done();
      case 'AUTHENTICATE':
        this.#authenticate(frame.token, frame.ref);
        return done();
      case 'SUBSCRIBE':
      case 'UNSUBSCRIBE':
      case 'GET_STATE':
        if (!this.#identity) {
          this.#error('not_authenticated', 'send AUTHENTICATE first', { ref: frame.ref });
          return done();
        }
        if (frame.type === 'SUBSCRIBE') return this.#subscribe(frame, this.#identity, done);
        if (frame.type === 'UNSUBSCRIBE') return this.#unsubscribe(frame.channels, frame.ref, done);
        return this.#getState(frame.channels, frame.ref, this.#identity, done);
    }
  }

  #authenticate(token: string, ref: Ref | undefined): void {
    const verification = this.#context.verify(token);
    if (!verification.ok) {
      this.#context.metrics.authenticated(verification.code);
      this.#error(verification.code, verification.message, { ref });
      this.#wrongTokens += 1;
      if (this.#wrongTokens >= MAX_WRONG_TOKENS) this.end(CLOSE_CODES.tokenInvalid);
      return;
    }
    const { identity } = verification;
    if (this.#identity && this.#identity.userId !== identity.userId) {
      this.#error('forbidden', 'a connection belongs to one user; open another one', { ref });
      return;
    }
    const first = this.#identity === undefined;
    if (first && !this.#context.admit(this, identity.userId)) {
      this.end(CLOSE_CODES.tooManyConnections);
      return;
    }
    this.#context.metrics.authenticated('ok');
    this.#identity = identity;
    this.#state = 'authenticated';
    this.#wrongTokens = 0;
    const channels = automaticChannels(identity);
    this.#send({
      type: 'AUTHENTICATED',
      user_id: identity.userId,
      ...(identity.role ? { role: identity.role } : {}),
      expires_at: identity.expiresAt,
      channels,
      ...withRef(ref),
    });
    this.#watchExpiry(identity);
    if (first) for (const channel of channels) this.#joinUnasked(channel);
    else this.#leaveForbidden(identity);
  }

  /** Until the token expires, then closes; a notice goes out in time to fetch a newer one. */
  #watchExpiry(identity: Identity): void {
    const { clock } = this.#context;
    this.#cancelExpiry?.();
    const leftMs = identity.expiresAt * 1000 - clock.now();
    const noticeMs = leftMs - EXPIRY_NOTICE_SECONDS * 1000;
    // Timers hold at most 24.8 days; a token that lives longer is looked at again by then.
    const longest = 2 ** 31 - 1;
    if (noticeMs > longest) {
      this.#cancelExpiry = clock.after(longest, () => this.#watchExpiry(identity));
      return;
    }
    this.#cancelExpiry = clock.after(Math.max(0, noticeMs), () => {
      this.#send({ type: 'TOKEN_EXPIRING', expires_at: identity.expiresAt });
      const untilMs = identity.expiresAt * 1000 - clock.now();
      this.#cancelExpiry = clock.after(Math.max(0, untilMs), () => this.end(CLOSE_CODES.tokenExpired));
    });
  }

  #joinUnasked(name: string): void {
    const channel = parseChannel(name);
    if (!channel) return;
    const options = { after: undefined, rewind: undefined, ref: undefined, announced: false };
    this.#subscriptions.join(channel, options, this.#context, (outcome) => {
      // While Redis is away; the client was promised this channel.
      if (outcome === 'unavailable') this.#joinUnasked(name);
    });
  }

  /** A narrower token takes effect at once. */
  #leaveForbidden(identity: Identity): void {
    for (const name of this.#subscriptions.names()) {
      const channel = parseChannel(name);
      if (channel && authorise(identity, 'read', channel, this.#context.accessPolicy)) continue;
      this.#subscriptions.leave(name);
      this.#sendFrame(unsubscribedFrame(name, undefined, 'forbidden'));
      this.#context.metrics.sent('UNSUBSCRIBED');
    }
  }

  #subscribe(frame: ClientFrame & { type: 'SUBSCRIBE' }, identity: Identity, done: Done): void {
    let open = frame.channels.length;
    const answered = (): void => {
      open -= 1;
      if (open === 0) done();
    };
    for (const named of frame.channels) {
      const channel = this.#allowed(named, 'subscribe', identity, frame.ref);
      if (!channel) {
        answered();
        continue;
      }
      if (this.#subscriptions.size >= this.#context.maxSubscriptions && !this.#subscriptions.has(channel.channel)) {
        this.#error('too_many_subscriptions', `a connection may hold ${this.#context.maxSubscriptions} channels`, {
          ref: frame.ref,
          channel: channel.channel,
        });
        answered();
        continue;
      }
      const options = { after: named.after, rewind: frame.rewind, ref: frame.ref, announced: true };
      this.#subscriptions.join(channel, options, this.#context, (outcome) => {
        if (outcome === 'joined') this.#context.metrics.sent('SUBSCRIBED');
        if (outcome === 'unavailable') {
          this.#error('unavailable', 'the log cannot be read at the moment', {
            ref: frame.ref,
            channel: channel.channel,
            retry_after_ms: this.#context.retryAfterMs(),
          });
        }
        answered();
      });
    }
  }

  #unsubscribe(channels: readonly NamedChannel[], ref: Ref | undefined, done: Done): void {
    for (const { given, parsed } of channels) {
      if (!parsed) {
        this.#badChannel(given, ref);
        continue;
      }
      this.#subscriptions.leave(parsed.channel);
      this.#sendFrame(unsubscribedFrame(parsed.channel, ref));
      this.#context.metrics.sent('UNSUBSCRIBED');
    }
    done();
  }

  #getState(channels: readonly NamedChannel[], ref: Ref | undefined, identity: Identity, done: Done): void {
    const readable = channels.map((named) => this.#allowed(named, 'read', identity, ref));
    let open = readable.length;
    const answered = (): void => {
      open -= 1;
      if (open === 0) done();
    };
    for (const channel of readable) {
      if (!channel) {
        answered();
        continue;
      }
      this.#context.hub
        .state(channel.channel)
        .then(
          ({ position, snapshot }) => {
            this.#sendFrame(stateFrame(channel.channel, position, snapshot ?? [], ref));
            this.#context.metrics.sent('STATE');
          },
          () =>
            this.#error('unavailable', 'the log cannot be read at the moment', {
              ref,
              channel: channel.channel,
              retry_after_ms: this.#context.retryAfterMs(),
            }),
        )
        .finally(answered);
    }
  }

  #allowed({ given, parsed }: NamedChannel, action: 'subscribe' | 'read', identity: Identity, ref: Ref | undefined) {
    if (!parsed) {
      this.#badChannel(given, ref);
      return undefined;
    }
    if (authorise(identity, action, parsed, this.#context.accessPolicy)) return parsed;
    this.#error('forbidden', 'the token does not allow this channel', { ref, channel: parsed.channel });
    return undefined;
  }

  #badChannel(given: string, ref: Ref | undefined): void {
    this.#error('bad_channel', 'channels are named kind:id, ids are 1 to 64 letters, digits, "_" or "-"', {
      ref,
      channel: given.slice(0, 80),
    });
  }

  #status(ref: Ref | undefined): void {
    const identity = this.#identity;
    this.#send({
      type: 'STATUS',
      connection_id: this.id,
      authenticated: identity !== undefined,
      subscriptions: this.#subscriptions.names(),
      connected_at: this.connectedAtMs / 1000,
      uptime: (this.#context.clock.now() - this.connectedAtMs) / 1000,
      ...(identity ? { user_id: identity.userId, expires_at: identity.expiresAt } : {}),
      ...(identity?.role ? { role: identity.role } : {}),
      node: this.#context.node,
      ...withRef(ref),
    });
  }

  #withinRate(now: number, ref: Ref | undefined): boolean {
    const retryAfterMs = this.#bucket.take(1, this.#context.rateLimit, now);
    if (retryAfterMs === 0) {
      this.#overLimit = 0;
      return true;
    }
    this.#overLimit += 1;
    this.#context.metrics.rateLimited();
    if (this.#overLimit > MAX_OVER_LIMIT) this.end(CLOSE_CODES.rateLimited);
    else this.#error('rate_limited', 'Rate limit exceeded', { ref, retry_after_ms: retryAfterMs });
    return false;
  }

  #error(
    code: ErrorCode,
    message: string,
    more: { ref?: Ref | undefined; channel?: string; retry_after_ms?: number } = {},
  ): void {
    const { ref, ...rest } = more;
    this.#context.metrics.failed(code);
    this.#send({ type: 'ERROR', code, message, ...rest, ...withRef(ref) });
  }

  #send(message: GatewayMessage): void {
    this.#sendFrame(JSON.stringify(message));
    this.#context.metrics.sent(message.type);
  }

  #sendFrame(frame: Frame): void {
    if (this.#state === 'closed' || this.#state === 'poisoned' || this.#state === 'closing') return;
    if (!this.#socket.send(frame)) this.poison();
  }
}

/** For metrics: what cannot be read is one type. */
const typeOf = (frame: ClientFrame | BadFrame): string => ('error' in frame ? 'invalid' : frame.type);

const withRef = (ref: Ref | undefined): { ref?: Ref } => (ref === undefined ? {} : { ref });

function automaticChannels(identity: Identity): string[] {
  const channels = [userChannel(identity.userId)];
  if (identity.role) channels.push(roleChannel(identity.role.toLowerCase()));
  return channels;
}
