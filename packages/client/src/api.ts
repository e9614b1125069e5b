/**
 * What an application sees of the SDK: options, handlers, events and the client itself. Everything else in this folder
 * can change without anybody noticing.
 */
import type { EventMessage, StatusMessage } from '@belfry/shared/protocol';
import type { Clock, Disposer } from './clock.js';
import type { BelfryError } from './errors.js';

/** `initial`: nothing asked yet. `reconnecting`: was connected before. `disconnected`: stopped, for good or by `close`. */
export type Status = 'initial' | 'connecting' | 'connected' | 'reconnecting' | 'disconnected';

/** `live`: events arrive as they happen. `polling`: snapshots over HTTP. `stale`: what is shown may be old. */
export type DataMode = 'live' | 'polling' | 'stale';

/** Why the connection is in its state: the close code, or the code of the error that led here. */
export interface StatusReason {
  readonly code: string | number;
  readonly message: string;
}

/** One immutable picture of the connection; the same object until something in it changes. */
export interface ConnectionState {
  readonly status: Status;
  readonly mode: DataMode;
  /** Failures in a row; 0 once a connection has been stable for 10 s. */
  readonly attempt: number;
  /** When the next attempt is due (milliseconds of the client's clock), while one is waited for. */
  readonly retryAt: number | undefined;
  readonly reason: StatusReason | undefined;
}

export interface StatusChange extends ConnectionState {
  readonly current: Status;
  readonly previous: Status;
  /** Milliseconds until the next attempt, as of now. */
  readonly retryInMs: number | undefined;
}

/** Who the gateway says we are. */
export interface User {
  readonly id: string;
  readonly role: string | undefined;
  /** Channels that the gateway joined for us, the user's own among them. */
  readonly channels: readonly string[];
}

/** A channel's snapshot: the last event of each key, true for position `id`. */
export interface ChannelState {
  readonly channel: string;
  readonly id: string;
  readonly events: readonly EventMessage[];
}

export interface EventInfo {
  /** The event happened while we were away, or was asked for by `rewind`. */
  readonly replayed: boolean;
  /** The last `onState` includes this event already: list it, but do not apply it to the state again. */
  readonly covered: boolean;
}

export interface Recovery {
  readonly channel: string;
  /** True: everything that was missed has been handed to `onEvent`. False: `onState` had to replace it. */
  readonly recovered: boolean;
  /** How many events were replayed. */
  readonly replay: number;
  readonly id: string;
}

/**
 * Continuity was in doubt. `hole`: the server skipped an offset; it is being asked again, nothing is lost yet.
 * `history`: what happened between `after` and `id` is not to be had any more. `resync`: the server lost continuity.
 * After the latter two a snapshot follows.
 */
export interface Gap {
  readonly channel: string;
  readonly cause: 'hole' | 'history' | 'resync';
  readonly after: string | undefined;
  readonly id: string;
}

export interface Handlers {
  /** Every event of the channel, in order, once. A promise holds the next event back until it settles. */
  readonly onEvent?: ((event: EventMessage, info: EventInfo) => unknown) | undefined;
  /** The snapshot: at the start, whenever continuity was lost, and while polling. Passing this asks for one at the start. */
  readonly onState?: ((state: ChannelState) => unknown) | undefined;
  /** After a reconnect or a reload: all that was missed has been handed over, or replaced by a snapshot. */
  readonly onRecovered?: ((recovery: Recovery) => void) | undefined;
  readonly onGap?: ((gap: Gap) => void) | undefined;
  /** The gateway refuses the channel (`forbidden`, `bad_channel`, …); tried again with the next token or connection. */
  readonly onError?: ((error: BelfryError) => void) | undefined;
  /** The joined channel is at this position now, with nothing more to come that happened before. */
  readonly onLive?: ((id: string) => void) | undefined;
  /** Begin with the last n events. Not used where a position is known. */
  readonly rewind?: number | undefined;
  /** Begin behind this position, instead of the stored one. */
  readonly after?: string | undefined;
}

export interface ClientEvents {
  status: StatusChange;
  /** Not connected for `lostAfterMs` after having been: worth telling people. */
  lost: undefined;
  /** Connected again after `lost`. */
  restored: undefined;
  /** Given up: a terminal close code, no token, or `maxAttempts`. */
  failed: StatusReason;
  error: BelfryError;
  gap: Gap;
  /** Authenticated, at first or with a newer token. */
  user: User;
  /** Every event that arrives, of whichever channel, before its handlers run; possibly more than once. */
  event: EventMessage;
  /** Every frame, for debugging. `AUTHENTICATE` is shown without its token. */
  frame: { readonly direction: 'in' | 'out'; readonly text: string };
}

export interface CommandOptions {
  /** Ends the waiting; without it a command waits for the connection for ever. */
  readonly signal?: AbortSignal | undefined;
}

export interface Client {
  readonly state: ConnectionState;
  readonly user: User | undefined;
  /** Connects; not needed before `subscribe`. Also starts again after `close` or a failure. */
  connect(): void;
  /** Disconnects and stays so; subscriptions are kept for the next `connect`. */
  close(): void;
  /** Cuts the wait before the next attempt short. */
  retryNow(): void;
  /** `close`, and forgets every subscription and listener. The client cannot be used afterwards. */
  dispose(): void;
  /**
   * @param channel a channel name (`property:1000010001`, `global`), or a property's id alone
   * @returns the disposer; the channel is left with the last of its subscribers
   * @throws TypeError for a name outside the grammar
   */
  subscribe(channel: string, handlers: Handlers): Disposer;
  on<K extends keyof ClientEvents>(name: K, listener: (value: ClientEvents[K]) => void): Disposer;
  /** The channel's snapshot. Sent when connected. @throws BelfryError with the gateway's code */
  getState(channel: string, options?: CommandOptions): Promise<ChannelState>;
  getStatus(options?: CommandOptions): Promise<StatusMessage>;
  /** The time of a round trip, in milliseconds. */
  ping(options?: CommandOptions): Promise<number>;
}

/** What is needed of a WebSocket class: the browser's, Node's from 22 on, or that of the `ws` package. */
export type WebSocketConstructor = new (url: string) => object;

export type TokenReason = 'connect' | 'expiring';

export interface Fallback {
  /** Default: `/v1/state` on the gateway's host. */
  readonly url?: string | undefined;
  /** Mean time between polls. Default 10,000. */
  readonly intervalMs?: number | undefined;
  /** Failures in a row before the first poll. Default 3. */
  readonly afterFailures?: number | undefined;
}

export interface ClientOptions {
  /** `wss://…`, or several: the next is tried when one fails. `https://…` and, in a page, `/ws` are understood too. */
  readonly url: string | readonly string[];
  /**
   * Returns a token; called for the first connection, ahead of expiry, and after a refusal, never twice at once.
   * `null` means signed out: the client stops. So do, in JavaScript, `undefined` and `''`. An exception is retried. Default: no authentication by message.
   */
  readonly getToken?: ((reason: TokenReason) => string | null | Promise<string | null>) | undefined;
  /** Default `websocket`. */
  readonly transport?: 'websocket' | 'sse' | undefined;
  /** HTTP polling while there is no connection. Default on; `false` turns it off. */
  readonly fallback?: Fallback | false | undefined;
  /** Keeps positions across reloads: `localStorage`, `sessionStorage` or the like. Default: none. */
  readonly storage?: Pick<Storage, 'getItem' | 'setItem'> | undefined;
  /**
   * Tabs of one origin that pass the same name, and show tokens of the same user with the same rights, use one connection.
   * Default: not shared.
   */
  readonly share?: string | undefined;
  /** Failures in a row before giving up. Default: never. */
  readonly maxAttempts?: number | undefined;
  /** For WELCOME and for AUTHENTICATED, each. Default 10,000. */
  readonly connectTimeoutMs?: number | undefined;
  /** Silence after which the connection is questioned; the gateway's own interval + 10 s once it is known. Default 40,000. */
  readonly silenceMs?: number | undefined;
  /** How long to be away before `lost`. Default 5,000. */
  readonly lostAfterMs?: number | undefined;
  readonly WebSocket?: WebSocketConstructor | undefined;
  readonly fetch?: typeof fetch | undefined;
  readonly clock?: Clock | undefined;
  /** Default `Math.random`. */
  readonly random?: (() => number) | undefined;
  /** Where `online`, `pagehide` … and `visibilitychange`, `freeze` … are heard. Default: the page's, where there is one. */
  readonly page?: { readonly window: EventTarget; readonly document: EventTarget } | undefined;
}
