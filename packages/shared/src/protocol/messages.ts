/**
 * The messages of the wire, version 1, as types. The registry of their names is `CLIENT_MESSAGES` and
 * `GATEWAY_MESSAGES`; PROTOCOL.md's tables are written from it, and a test keeps them equal.
 */
import type { ErrorCode } from './codes.js';
import type { EventMessage } from './events.js';

export const PROTOCOL_VERSION = 1;
/** The WebSocket subprotocol a client may offer. */
export const SUBPROTOCOL = 'belfry.v1';
/** A client that can set neither a header nor a first message offers its token as the subprotocol `bearer.<jwt>`. */
export const BEARER_SUBPROTOCOL_PREFIX = 'bearer.';

export interface MessageDescription {
  /** Fields that every version of the protocol has had. */
  readonly fields: readonly string[];
  /** Fields that clients may leave out or ignore. */
  readonly more: readonly string[];
  readonly text: string;
}

/** What a client may send. */
export const CLIENT_MESSAGES = {
  AUTHENTICATE: {
    fields: ['token'],
    more: ['join', 'ref'],
    text: 'Answered by AUTHENTICATED; again at any time with a newer token of the same user.',
  },
  SUBSCRIBE: {
    fields: ['property_id'],
    more: ['property_ids', 'channel', 'channels', 'after', 'rewind', 'ref'],
    text: 'One SUBSCRIBED per channel, then its replay. `after` is a position, or `{channel: position}`; `rewind` the last n events.',
  },
  UNSUBSCRIBE: {
    fields: ['property_id'],
    more: ['property_ids', 'channel', 'channels', 'ref'],
    text: 'One UNSUBSCRIBED per channel.',
  },
  GET_STATUS: { fields: [], more: ['ref'], text: 'Answered by STATUS.' },
  GET_STATE: {
    fields: ['property_id'],
    more: ['property_ids', 'channel', 'channels', 'ref'],
    text: 'One STATE per channel: the snapshot, with the position it is true for.',
  },
  PING: { fields: [], more: ['ref'], text: 'Answered by PONG.' },
  PONG: { fields: [], more: [], text: 'The answer to a PING of the gateway; not answered.' },
} as const satisfies Record<string, MessageDescription>;
export type ClientMessageType = keyof typeof CLIENT_MESSAGES;

/** What a gateway sends besides events. */
export const GATEWAY_MESSAGES = {
  WELCOME: {
    fields: ['connection_id', 'server_time'],
    more: ['heartbeat_interval', 'reconnect', 'protocol', 'node'],
    text: 'The first frame. `heartbeat_interval` in seconds; `reconnect` is `{first_ms, max_ms}`.',
  },
  AUTHENTICATED: {
    fields: ['user_id'],
    more: ['role', 'expires_at', 'channels', 'not_joined', 'ref'],
    text: '`channels` are those joined automatically; a token may name more properties than that: `not_joined`.',
  },
  SUBSCRIBED: {
    fields: ['property_id'],
    more: ['channel', 'id', 'recovered', 'replay', 'ref'],
    text: '`id` is the position after the replay, `replay` how many events follow. `recovered` only where `after` or `rewind` was asked.',
  },
  UNSUBSCRIBED: {
    fields: ['property_id'],
    more: ['channel', 'ref', 'reason'],
    text: '`reason` where it was not the client who asked.',
  },
  STATUS: {
    fields: ['connection_id', 'authenticated', 'subscriptions', 'connected_at', 'uptime'],
    more: ['user_id', 'role', 'expires_at', 'node', 'ref'],
    text: '`uptime` is this connection’s, in seconds.',
  },
  STATE: {
    fields: [],
    more: ['channel', 'property_id', 'id', 'events', 'ref'],
    text: 'The last event of each key, consistent with position `id`.',
  },
  RESYNC: {
    fields: [],
    more: ['channel', 'property_id', 'id'],
    text: 'Continuity was lost on the server’s side; a STATE follows at once.',
  },
  TOKEN_EXPIRING: { fields: [], more: ['expires_at'], text: 'Send AUTHENTICATE with a new token before then.' },
  GOING_AWAY: {
    fields: [],
    more: ['reason', 'reconnect_after_ms'],
    text: 'This connection will be closed soon; come back after that delay.',
  },
  PING: { fields: [], more: [], text: 'Answer with PONG.' },
  PONG: { fields: [], more: ['ref'], text: 'The answer to PING.' },
  ERROR: { fields: ['message'], more: ['code', 'ref', 'channel', 'retry_after_ms'], text: 'See the error codes.' },
} as const satisfies Record<string, MessageDescription>;

export type Ref = string | number;

/** What may be joined automatically: one’s own channel, those of one’s role, the token’s properties, `global`. */
export const JOIN_KINDS = ['user', 'role', 'properties', 'global'] as const;
export type JoinKind = (typeof JOIN_KINDS)[number];

export interface AuthenticateMessage {
  readonly type: 'AUTHENTICATE';
  readonly token: string;
  /** Undefined for all that the gateway is set to join. */
  readonly join?: readonly JoinKind[];
  readonly ref?: Ref;
}
export interface SubscribeMessage {
  readonly type: 'SUBSCRIBE';
  readonly property_id?: string;
  readonly property_ids?: readonly string[];
  readonly channel?: string;
  readonly channels?: readonly string[];
  readonly after?: string | Readonly<Record<string, string>>;
  readonly rewind?: number;
  readonly ref?: Ref;
}
export interface UnsubscribeMessage {
  readonly type: 'UNSUBSCRIBE';
  readonly property_id?: string;
  readonly property_ids?: readonly string[];
  readonly channel?: string;
  readonly channels?: readonly string[];
  readonly ref?: Ref;
}
export interface GetStatusMessage {
  readonly type: 'GET_STATUS';
  readonly ref?: Ref;
}
export interface GetStateMessage {
  readonly type: 'GET_STATE';
  readonly property_id?: string;
  readonly property_ids?: readonly string[];
  readonly channel?: string;
  readonly channels?: readonly string[];
  readonly ref?: Ref;
}
export interface PingMessage {
  readonly type: 'PING';
  readonly ref?: Ref;
}
export interface PongMessage {
  readonly type: 'PONG';
}
export type ClientMessage =
  | AuthenticateMessage
  | SubscribeMessage
  | UnsubscribeMessage
  | GetStatusMessage
  | GetStateMessage
  | PingMessage
  | PongMessage;

/** How a client should spread its reconnects: first `U(0, first_ms)`, then full jitter up to `max_ms`. */
export interface ReconnectAdvice {
  readonly first_ms: number;
  readonly max_ms: number;
}
export interface WelcomeMessage {
  readonly type: 'WELCOME';
  readonly connection_id: string;
  readonly server_time: number;
  readonly heartbeat_interval: number;
  readonly reconnect: ReconnectAdvice;
  readonly protocol: number;
  readonly node: string;
}
export interface AuthenticatedMessage {
  readonly type: 'AUTHENTICATED';
  readonly user_id: string;
  readonly role?: string;
  readonly expires_at: number;
  readonly channels: readonly string[];
  readonly not_joined?: number;
  readonly ref?: Ref;
}
export interface SubscribedMessage {
  readonly type: 'SUBSCRIBED';
  readonly property_id?: string;
  readonly channel: string;
  readonly id: string;
  readonly recovered?: boolean;
  readonly replay: number;
  readonly ref?: Ref;
}
export interface UnsubscribedMessage {
  readonly type: 'UNSUBSCRIBED';
  readonly property_id?: string;
  readonly channel: string;
  readonly reason?: string;
  readonly ref?: Ref;
}
export interface StatusMessage {
  readonly type: 'STATUS';
  readonly connection_id: string;
  readonly authenticated: boolean;
  readonly subscriptions: readonly string[];
  readonly connected_at: number;
  readonly uptime: number;
  readonly user_id?: string;
  readonly role?: string;
  readonly expires_at?: number;
  readonly node: string;
  readonly ref?: Ref;
}
export interface StateMessage {
  readonly type: 'STATE';
  readonly channel: string;
  readonly property_id?: string;
  readonly id: string;
  readonly events: readonly EventMessage[];
  readonly ref?: Ref;
}
export interface ResyncMessage {
  readonly type: 'RESYNC';
  readonly channel: string;
  readonly property_id?: string;
  readonly id: string;
}
export interface TokenExpiringMessage {
  readonly type: 'TOKEN_EXPIRING';
  readonly expires_at: number;
}
export interface GoingAwayMessage {
  readonly type: 'GOING_AWAY';
  readonly reason: string;
  readonly reconnect_after_ms: number;
}
export interface ErrorMessage {
  readonly type: 'ERROR';
  readonly code: ErrorCode;
  readonly message: string;
  readonly ref?: Ref;
  readonly channel?: string;
  readonly retry_after_ms?: number;
}
export type GatewayMessage =
  | WelcomeMessage
  | AuthenticatedMessage
  | SubscribedMessage
  | UnsubscribedMessage
  | StatusMessage
  | StateMessage
  | ResyncMessage
  | TokenExpiringMessage
  | GoingAwayMessage
  | PingMessage
  | PongMessage
  | ErrorMessage;
