/**
 * One client: follows its channels, keeps the position of each, and comes back with them whatever happens to its
 * connection, as the protocol asks of a client. What it sees is written down for the auditor, who trusts none of it.
 */
import { afterClose, type GatewayMessage, parsePosition } from '@belfry/shared/protocol';
import { KIND, packEpoch, type Recorder } from '../audit/record.js';
import { BULK, channelName, channelNumber } from '../names.js';
import { isEvent, readSight, type Sight } from './sight.js';
import { openWire, type Wire } from './wire.js';

export interface ClientParts {
  readonly recorder: Recorder;
  readonly startedAt: number;
  readonly random: () => number;
  readonly token: (client: number) => string;
  /** Where to connect now: a gateway's number and port; undefined where none is up. */
  readonly endpoint: (client: number) => { readonly gateway: number; readonly port: number } | undefined;
  readonly counts: Counts;
  readonly now: () => number;
  /** Connected again, every channel answered and its replay complete. Milliseconds, since the loss and since trying. */
  readonly onRecovered: (sinceLoss: number, sinceAttempt: number) => void;
}

/** What happened, for all clients of a process together. */
export interface Counts {
  deliveries: number;
  connects: number;
  failedConnects: number;
  silent: number;
  /** Events that were not the next ones: the client asks for what is missing. */
  noticed: number;
  unavailable: number;
  rateLimited: number;
  terminal: number;
  readonly closes: Map<number, number>;
}

/** A channel as its client knows it. */
interface Followed {
  readonly channel: number;
  epoch: number;
  offset: number;
  /** Whether `epoch` and `offset` name a position. */
  known: boolean;
  /** SUBSCRIBED has come on this connection. */
  following: boolean;
  /** What SUBSCRIBED announced and has not come yet: events of the replay, or a STATE. */
  owed: number;
  /** Asked for anew after something did not fit: until the answer, events of the old following do not count. */
  repairing: boolean;
  /** UNSUBSCRIBE was sent and not yet answered: until then events may still move the position. */
  leaving: boolean;
  wanted: boolean;
}

const HANDSHAKE_MS = 6_000;
const STABLE_MS = 10_000;
const SPREAD_MS = 1_000;
const CHURN_RETRY_MS = 50;
const sight: Sight = { epoch: 0, offset: 0, channel: 0, change: 0 };

export class Client {
  readonly number: number;
  stalled = false;
  #wire: Wire | undefined;
  #open = false;
  #openedAt = 0;
  #heardAt = 0;
  #heartbeatMs = 30_000;
  #advice = { first_ms: 1_000, max_ms: 20_000 };
  #reconnectAfterMs: number | undefined;
  #failures = 0;
  #waiting: ReturnType<typeof setTimeout> | undefined;
  #ended = false;
  #lostAt: number | undefined;
  #attemptAt: number | undefined;
  #holdMs = 0;
  readonly #channels = new Map<number, Followed>();
  /** Channels that it was told are joined for it. */
  #unasked: readonly string[] = [];
  readonly #parts: ClientParts;

  constructor(number: number, channels: readonly number[], parts: ClientParts) {
    this.number = number;
    this.#parts = parts;
    for (const channel of channels) this.#add(channel);
  }

  get live(): boolean {
    if (!this.#open) return false;
    for (const followed of this.#channels.values())
      if (followed.wanted && (!followed.following || followed.owed > 0)) return false;
    return true;
  }

  connect(): void {
    this.#waiting = undefined;
    const parts = this.#parts;
    const to = parts.endpoint(this.number);
    if (!to) {
      this.#waiting = setTimeout(() => this.connect(), 100 + parts.random() * 400);
      return;
    }
    this.#heardAt = parts.now();
    this.#attemptAt ??= this.#heardAt;
    this.#wire = openWire(
      { port: to.port, token: parts.token(this.number) },
      {
        open: () => this.#opened(to.gateway),
        text: (bytes, start, end) => this.receive(bytes, start, end),
        end: (code) => this.#lost(code),
      },
    );
  }

  /** Breaks the connection, as a network does that comes back after `holdMs`. */
  cut(holdMs = 0): void {
    this.#holdMs = holdMs;
    this.#wire?.reset();
  }

  /** Stops reading for `ms`. */
  stall(ms: number): void {
    const wire = this.#wire;
    if (!wire || this.stalled) return;
    this.stalled = true;
    wire.pause();
    setTimeout(() => {
      this.stalled = false;
      this.#heardAt = this.#parts.now();
      wire.resume();
    }, ms);
  }

  /** Called about once a second: a connection on which nothing comes, not even a PING, is dead. */
  check(now: number): void {
    if (!this.#wire || this.stalled) return;
    const limit = this.#open ? this.#heartbeatMs * 2.5 + 1_000 : HANDSHAKE_MS;
    if (now - this.#heardAt <= limit) return;
    this.#parts.counts.silent += 1;
    this.#wire.reset();
  }

  follow(channel: number): void {
    const followed = this.#channels.get(channel) ?? this.#add(channel);
    if (followed.wanted) return;
    if (followed.leaving) return void setTimeout(() => this.follow(channel), CHURN_RETRY_MS);
    followed.wanted = true;
    if (this.#open) this.#subscribe([followed]);
  }

  /** Leaves a channel; the position is kept. */
  leave(channel: number): void {
    const followed = this.#channels.get(channel);
    if (!followed?.wanted) return;
    followed.wanted = false;
    if (!this.#open) return;
    followed.leaving = true;
    this.#wire?.send(JSON.stringify({ type: 'UNSUBSCRIBE', channel: channelName(channel) }));
  }

  get channels(): Iterable<number> {
    return this.#channels.keys();
  }

  /** Whether the client has come to this end of a channel; undefined where it does not follow it. */
  isAt(channel: number, epoch: number, offset: number): boolean | undefined {
    const followed = this.#channels.get(channel);
    if (!followed?.wanted) return undefined;
    return this.#open && followed.following && followed.epoch === epoch && followed.offset === offset;
  }

  describe(channel: number): string {
    const followed = this.#channels.get(channel);
    const state = this.#open ? (followed?.following ? 'following' : 'not following') : 'not connected';
    const heard = `heard ${Math.round(this.#parts.now() - this.#heardAt)} ms ago${this.stalled ? ', stalled' : ''}`;
    return `client ${this.number} ${channelName(channel)} at ${followed?.epoch}-${followed?.offset}, ${state}, ${heard}`;
  }

  end(): void {
    this.#ended = true;
    clearTimeout(this.#waiting);
    this.#wire?.reset();
  }

  /** A text frame, as it came; a planted fault takes this function's place. */
  receive = (bytes: Buffer, start: number, end: number): void => {
    this.#heardAt = this.#parts.now();
    if (!isEvent(bytes, start)) this.#control(JSON.parse(bytes.toString('utf8', start, end)) as GatewayMessage);
    else if (readSight(bytes, start, end, sight)) this.#event(sight);
    else this.#record(KIND.foreign, 0, 0, 0, 0);
  };

  #add(channel: number): Followed {
    const followed = {
      channel,
      epoch: 0,
      offset: 0,
      known: false,
      following: false,
      owed: 0,
      repairing: false,
      leaving: false,
      wanted: channel !== BULK,
    };
    this.#channels.set(channel, followed);
    return followed;
  }

  #record(kind: number, channel: number, a: number, b: number, c: number): void {
    this.#parts.recorder.write(kind, this.number, channel, a, b, c);
  }

  #opened(gateway: number): void {
    this.#open = true;
    this.#openedAt = this.#parts.now();
    this.#heardAt = this.#openedAt;
    this.#parts.counts.connects += 1;
    this.#record(KIND.opened, 0, gateway, 0, 0);
    this.#subscribe([...this.#channels.values()].filter(({ wanted }) => wanted));
  }

  #subscribe(list: readonly Followed[]): void {
    if (list.length === 0) return;
    const after: Record<string, string> = {};
    for (const followed of list) {
      const { channel, epoch, known, offset } = followed;
      if (known) after[channelName(channel)] = `${epoch}-${offset}`;
      this.#record(KIND.subscribe, channel, known ? packEpoch(epoch, this.#parts.startedAt) : 0, offset, 0);
    }
    this.#wire?.send(
      JSON.stringify({ type: 'SUBSCRIBE', channels: list.map(({ channel }) => channelName(channel)), after }),
    );
  }

  #event({ change, channel, epoch, offset }: Sight): void {
    this.#parts.counts.deliveries += 1;
    this.#record(KIND.event, channel, packEpoch(epoch, this.#parts.startedAt), offset, change);
    const followed = this.#channels.get(channel);
    if (!followed || followed.repairing) return;
    const next = epoch === followed.epoch ? offset === followed.offset + 1 : epoch > followed.epoch;
    if (next) this.#moveTo(followed, epoch, offset);
    else this.#doubt(followed);
    if (followed.owed > 0) this.#got(followed, 1);
  }

  /** Part of what SUBSCRIBED announced has come. */
  #got(followed: Followed, count: number): void {
    followed.owed -= count;
    this.#noteRecovery();
  }

  #noteRecovery(): void {
    if (this.#lostAt === undefined || !this.live) return;
    const now = this.#parts.now();
    this.#parts.onRecovered(now - this.#lostAt, now - (this.#attemptAt ?? now));
    this.#lostAt = undefined;
  }

  #moveTo(followed: Followed, epoch: number, offset: number): void {
    followed.epoch = epoch;
    followed.offset = offset;
    followed.known = true;
  }

  /** Something did not fit: asks for everything behind the last event that did. */
  #doubt(followed: Followed): void {
    this.#parts.counts.noticed += 1;
    followed.repairing = true;
    this.#subscribe([followed]);
  }

  #control(message: GatewayMessage): void {
    switch (message.type) {
      case 'WELCOME':
        this.#heartbeatMs = message.heartbeat_interval * 1_000;
        this.#advice = message.reconnect;
        return;
      case 'PING':
        this.#wire?.send('{"type":"PONG"}');
        return;
      case 'GOING_AWAY':
        this.#reconnectAfterMs = message.reconnect_after_ms;
        return;
      case 'SUBSCRIBED':
        return this.#subscribed(message);
      case 'UNSUBSCRIBED': {
        const followed = this.#channels.get(channelNumber(message.channel) ?? -1);
        if (followed) {
          followed.following = false;
          followed.leaving = false;
          followed.owed = 0;
        }
        this.#record(KIND.unsubscribed, followed?.channel ?? 0, 0, 0, 0);
        return;
      }
      case 'RESYNC': {
        const at = parsePosition(message.id);
        const channel = channelNumber(message.channel);
        if (at && channel !== undefined)
          this.#record(KIND.resync, channel, packEpoch(at.epoch, this.#parts.startedAt), at.offset, 0);
        return;
      }
      case 'STATE':
        return this.#state(message);
      case 'ERROR':
        return this.#error(message);
      case 'AUTHENTICATED':
        this.#unasked = message.channels;
        return;
      case 'TOKEN_EXPIRING':
      case 'PONG':
      case 'STATUS':
        return;
    }
  }

  #subscribed(message: Extract<GatewayMessage, { type: 'SUBSCRIBED' }>): void {
    const at = parsePosition(message.id);
    const followed = this.#channels.get(channelNumber(message.channel) ?? -1);
    // Joined unasked, and so late that it is told.
    if (!followed && this.#unasked.includes(message.channel) && message.replay === 0) return;
    if (!at || !followed) return this.#record(KIND.foreign, 0, 0, 0, 0);
    const { recovered } = message;
    const outcome = (recovered === undefined ? 0 : recovered ? 1 : 2) + 4 * message.replay;
    this.#record(KIND.subscribed, followed.channel, packEpoch(at.epoch, this.#parts.startedAt), at.offset, outcome);
    followed.following = true;
    followed.repairing = false;
    // With a replay the position moves with each of its events; otherwise there is nothing behind this one.
    if (message.replay === 0) this.#moveTo(followed, at.epoch, at.offset);
    followed.owed = recovered === false ? 1 : message.replay;
    this.#noteRecovery();
  }

  #state(message: Extract<GatewayMessage, { type: 'STATE' }>): void {
    const { startedAt } = this.#parts;
    const at = parsePosition(message.id);
    const channel = channelNumber(message.channel);
    if (!at || channel === undefined) return;
    this.#record(KIND.state, channel, packEpoch(at.epoch, startedAt), at.offset, message.events.length);
    for (const event of message.events) {
      // Encoded again, an event reads as it did on the wire.
      const bytes = Buffer.from(JSON.stringify(event));
      if (readSight(bytes, 0, bytes.length, sight))
        this.#record(KIND.stateEvent, channel, packEpoch(sight.epoch, startedAt), sight.offset, sight.change);
      else this.#record(KIND.foreign, channel, 0, 0, 0);
    }
    const followed = this.#channels.get(channel);
    if (!followed) return;
    this.#moveTo(followed, at.epoch, at.offset);
    if (followed.owed > 0) this.#got(followed, followed.owed);
  }

  #error(message: Extract<GatewayMessage, { type: 'ERROR' }>): void {
    const { code, retry_after_ms } = message;
    const channel = channelNumber(message.channel);
    if (code === 'unavailable' && channel !== undefined) {
      this.#parts.counts.unavailable += 1;
      this.#later(channel, retry_after_ms ?? 1_000);
    } else if (code === 'rate_limited') {
      this.#parts.counts.rateLimited += 1;
      for (const followed of this.#channels.values())
        if (followed.wanted && !followed.following) this.#later(followed.channel, retry_after_ms ?? 1_000);
    } else this.#record(KIND.error, channel ?? 0, 0, 0, 0);
  }

  #later(channel: number, ms: number): void {
    const wire = this.#wire;
    setTimeout(() => {
      const followed = this.#channels.get(channel);
      if (this.#wire === wire && this.#open && followed?.wanted && !followed.following) this.#subscribe([followed]);
    }, ms);
  }

  #lost(code: number): void {
    const { counts, now, random } = this.#parts;
    const wasOpen = this.#open;
    const stable = wasOpen && now() - this.#openedAt > STABLE_MS;
    this.#wire = undefined;
    this.#open = false;
    for (const followed of this.#channels.values()) {
      followed.following = false;
      followed.repairing = false;
      followed.leaving = false;
      followed.owed = 0;
    }
    this.#lostAt ??= now();
    if (wasOpen) {
      this.#attemptAt = undefined;
      this.#record(KIND.closed, 0, code, 0, 0);
      counts.closes.set(code, (counts.closes.get(code) ?? 0) + 1);
    } else counts.failedConnects += 1;
    if (this.#ended) return;
    const told = this.#reconnectAfterMs;
    this.#reconnectAfterMs = undefined;
    if (stable) this.#failures = 0;
    if (wasOpen && afterClose(code) === 'stop') {
      counts.terminal += 1;
      return;
    }
    let delay: number;
    if (told !== undefined) delay = told;
    else if (this.#failures === 0) delay = random() * this.#advice.first_ms;
    else delay = random() * Math.min(this.#advice.max_ms, SPREAD_MS * 2 ** this.#failures);
    this.#failures += 1;
    this.#waiting = setTimeout(() => this.connect(), this.#holdMs + delay);
    this.#holdMs = 0;
  }
}
