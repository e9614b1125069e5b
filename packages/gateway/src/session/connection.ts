/**
 * The life of a client's connection, whatever is said on it: from its first moment to its end, and what a client that is
 * silent, old or too slow comes to. A session adds the frames; it extends this, as an object more for each connection
 * would be ten thousand of them.
 *
 *   waiting for a token ──► authenticated ──► closing (told why) ──► closed
 *                      └──────────────────┴─► poisoned (too slow: gets nothing more) ──┘
 */
import { CLOSE_CODES, type CloseCode, type ErrorCode, type GatewayMessage } from '@belfry/shared/protocol';
import type { Frame } from '../channels/subscriber.js';
import { type ErrorDetails, withRef } from './commands.js';
import type { SessionContext } from './context.js';
import type { Socket } from './socket.js';
import { Subscriptions } from './subscriptions.js';

type ConnectionState = 'anonymous' | 'authenticated' | 'closing' | 'poisoned' | 'closed';

/** What a client that is too slow gets to read what it was sent before, and its close frame. */
const POISONED_MS = 3_000;

export abstract class Connection {
  readonly serial: number;
  /** Which spoke of the heartbeat's wheel it stands on. */
  readonly spoke: number;
  readonly address: string;
  readonly context: SessionContext;
  readonly subscriptions: Subscriptions;
  /** Told of every frame, while an operator traces the user. */
  trace: ((direction: 'in' | 'out', text: string) => void) | undefined;
  protected readonly socket: Socket;
  protected state: ConnectionState = 'anonymous';
  /** Times are milliseconds since the context's `bornMs`. */
  protected lastSeenAt: number;
  readonly #connectedAt: number;
  /** 0 for any age. */
  readonly #maxAgeSeconds: number;
  #chokedChecks = 0;

  constructor(context: SessionContext, socket: Socket, serial: number, spoke: number, address: string) {
    this.context = context;
    this.socket = socket;
    this.subscriptions = new Subscriptions(socket, this);
    this.serial = serial;
    this.spoke = spoke;
    this.address = address;
    this.#connectedAt = context.clock.now() - context.bornMs;
    this.lastSeenAt = this.#connectedAt;
    this.#maxAgeSeconds = Math.ceil(context.maxAgeMs() / 1_000) | 0;
  }

  get id(): string {
    return `${this.context.node}-${this.context.startedAt}-${this.serial.toString(36)}`;
  }
  get connectedAtMs(): number {
    return this.context.bornMs + this.#connectedAt;
  }
  /** What comes in is still listened to. */
  get isOpen(): boolean {
    return this.state === 'anonymous' || this.state === 'authenticated';
  }
  // No `#method` in here: a class that has one costs each of its objects another field.
  protected get isClosed(): boolean {
    return this.state === 'closed';
  }

  /** Ends a connection that has been silent for too long, or is older than it may become. False when it was. */
  protected mayGoOn(now: number): boolean {
    const at = now - this.context.bornMs;
    if (at - this.lastSeenAt > this.context.heartbeatMs * 2.5) {
      // A peer that has gone without a word will not read a close frame either.
      this.end(CLOSE_CODES.noHeartbeat);
      return false;
    }
    if (this.#maxAgeSeconds > 0 && at - this.#connectedAt > this.#maxAgeSeconds * 1_000) {
      this.goingAway('maximum age', 0);
      this.end(CLOSE_CODES.maximumAge);
      return false;
    }
    return true;
  }

  /** The deadline for authentication has passed. */
  authenticationOverdue(): void {
    if (this.state === 'anonymous') this.end(CLOSE_CODES.authenticationTimeout);
  }

  /** Closes in order, with a reason. */
  end(close: CloseCode): void {
    if (!this.isOpen) return;
    this.state = 'closing';
    this.context.metrics.closed(close.code);
    this.socket.end(close);
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
    if (this.state === 'poisoned' || this.state === 'closed') return;
    this.state = 'poisoned';
    this.context.metrics.closed(CLOSE_CODES.slowConsumer.code);
    this.context.afterThisTurn(() => {
      if (this.isClosed) return;
      this.subscriptions.leaveAll();
      this.socket.end(CLOSE_CODES.slowConsumer);
      // A client that does not read does not read the close frame either.
      this.context.clock.after(POISONED_MS, () => this.destroy());
    });
  }

  /** Called at intervals: a client for which bytes have been waiting all the time is too slow, however few they are. */
  checkPace(maxChecks: number): void {
    if (this.state === 'closed' || this.state === 'poisoned') return;
    this.#chokedChecks = this.socket.bufferedBytes > 0 ? this.#chokedChecks + 1 : 0;
    if (this.#chokedChecks > maxChecks) this.poison();
  }

  /** The client has read what waited for it. */
  drained(): void {
    if (this.state !== 'authenticated') return;
    // Who reads a long replay has bytes waiting all the time.
    if (this.subscriptions.drained()) this.#chokedChecks = 0;
  }

  /** The connection is gone. */
  closed(): void {
    this.state = 'closed';
    this.subscriptions.forget();
  }

  /** Cuts the connection off, without a word. */
  destroy(): void {
    if (!this.isClosed) this.socket.destroy();
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
    if (!this.isOpen) return;
    this.trace?.('out', typeof frame === 'string' ? frame : Buffer.from(frame).toString());
    if (!this.socket.send(frame)) this.poison();
  }
}
