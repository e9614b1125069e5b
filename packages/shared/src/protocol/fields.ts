/**
 * What each field of the wire means, once. PROTOCOL.md's tables are written from here; a field of the registry or of an
 * event that has no text here does not compile.
 */
import type { StateUpdate } from './board.js';
import type { ViolationUpdate } from './events.js';
import type { CLIENT_MESSAGES, GATEWAY_MESSAGES } from './messages.js';

export interface FieldDescription {
  /** Its JSON type, in words. */
  readonly type: string;
  readonly text: string;
}

type FieldsOf<R> =
  R extends Record<string, { fields: readonly (infer F)[]; more: readonly (infer M)[] }> ? F | M : never;
type MessageField = FieldsOf<typeof CLIENT_MESSAGES> | FieldsOf<typeof GATEWAY_MESSAGES>;

/** Fields of what clients and gateways send each other, events aside. */
export const MESSAGE_FIELDS = {
  token: { type: 'text', text: 'A JWT.' },
  join: {
    type: 'list of text',
    text: 'Which kinds of channels to join unasked, of `user`, `role`, `properties`, `global`: of those in `AUTO_JOIN`, which all are without it.',
  },
  ref: {
    type: 'text of up to 128 characters, or number',
    text: 'Chosen by the client; comes back in every answer to this message, errors included.',
  },
  property_id: { type: 'text', text: 'A property; the same as `channel` `property:<property_id>`.' },
  property_ids: { type: 'list of text', text: 'Several properties at once.' },
  channel: { type: 'text', text: 'A channel’s name.' },
  channels: { type: 'list of text', text: 'Several channels.' },
  not_joined: {
    type: 'number, optional',
    text: 'How many more channels would be joined automatically, were there no limit: subscribe to those that are wanted.',
  },
  after: {
    type: 'position, or object of positions by channel',
    text: 'The last position the client has handled: what follows it is sent first.',
  },
  rewind: { type: 'whole number, 0 to 1000', text: 'So many of the last events are sent first.' },
  connection_id: { type: 'text', text: 'Names this connection in logs and for operators.' },
  server_time: { type: 'seconds', text: 'The gateway’s clock.' },
  heartbeat_interval: { type: 'number', text: 'Seconds between two PINGs of the gateway.' },
  reconnect: {
    type: '{first_ms, max_ms}',
    text: 'How to spread reconnects: the first after a random time of up to `first_ms`, later ones of up to `max_ms`.',
  },
  protocol: { type: 'number', text: 'Version of this protocol.' },
  node: { type: 'text', text: 'Name of the gateway.' },
  user_id: { type: 'text', text: 'Whom the token names.' },
  role: { type: 'text', text: 'The token’s role, in capitals.' },
  expires_at: { type: 'seconds', text: 'When the token expires.' },
  id: { type: 'position', text: 'Where the channel stands.' },
  recovered: {
    type: 'boolean',
    text: 'Whether what follows continues exactly behind `after`. If false, a STATE follows instead of a replay.',
  },
  replay: { type: 'number', text: 'How many earlier events follow before the live ones.' },
  reason: { type: 'text', text: 'Why.' },
  authenticated: { type: 'boolean', text: 'Whether a token was accepted.' },
  subscriptions: { type: 'list of text', text: 'Names of the channels that this connection follows.' },
  connected_at: { type: 'seconds', text: 'When this connection was opened.' },
  uptime: { type: 'number', text: 'How long this connection has been open, in seconds.' },
  events: { type: 'list of events', text: 'The last event of each key.' },
  reconnect_after_ms: { type: 'number', text: 'Milliseconds to wait before coming back.' },
  message: { type: 'text', text: 'What is wrong, for people.' },
  code: { type: 'text', text: 'What is wrong, for programs: one of the error codes.' },
  retry_after_ms: { type: 'number', text: 'Milliseconds after which it may work.' },
} as const satisfies Record<MessageField, FieldDescription>;

/** The keys an interface names itself, without its index signature. */
type Named<T> = keyof { [K in keyof T as string extends K ? never : number extends K ? never : K]: T[K] };

/** Fields of the event that tells of violations. */
export const VIOLATION_UPDATE_FIELDS = {
  id: { type: 'position', text: 'The event’s own position in its channel.' },
  channel: { type: 'text', text: 'The channel it was published on.' },
  type: { type: 'text', text: '`VIOLATION_UPDATE`.' },
  property_id: { type: 'text', text: 'The property.' },
  violation_type: { type: 'text', text: 'As the reporting service names it, such as `HPD`, `DOB`, `ECB`.' },
  count: { type: 'number', text: 'Open violations of this type after the change.' },
  new_violations: { type: 'number', text: 'How many of them were not open before it.' },
  resolved: { type: 'number', text: 'How many were open before and are not any more.' },
  severity: {
    type: 'text',
    text: '`info`, `low`, `medium`, `high` or `critical`: the worst of what is new; where nothing is, of what is open.',
  },
  open_by_severity: {
    type: 'object, optional',
    text: 'All open violations of this type by severity, as `{"critical":1,"low":6}`; left out where none is open.',
  },
  timestamp: { type: 'seconds', text: 'When the change happened, or was reported.' },
  message: { type: 'text', text: 'A sentence for people.' },
  violations: {
    type: 'list, optional',
    text: 'What is known of single violations, the new ones first: `number`, `date`, `class`, `severity`, `description`. Not all that are open.',
  },
} as const satisfies Record<Named<ViolationUpdate>, FieldDescription>;

/** Fields of the event that tells what becomes of one key of a board. */
export const STATE_UPDATE_FIELDS = {
  id: { type: 'position', text: 'The position of the change. On a board positions skip, and count per key only.' },
  channel: { type: 'text', text: 'The board, `state:<name>`.' },
  type: { type: 'text', text: '`STATE_UPDATE`.' },
  key: { type: 'text', text: 'Which document of the board.' },
  timestamp: { type: 'seconds', text: 'When the change happened, or was reported.' },
  document: { type: 'object, optional', text: 'The whole document, which replaces the one before.' },
  base: { type: 'position, with `patch`', text: 'The `id` of the document that the patch applies to.' },
  patch: {
    type: 'object, optional',
    text: 'Members of the document at `base` to set, each whole; null takes a member away.',
  },
  removed: { type: 'true, optional', text: 'The key is gone.' },
} as const satisfies Record<Named<StateUpdate>, FieldDescription>;
