/**
 * Reads a frame of a client: untrusted text in, a checked message or the reason why not out. By hand and without a
 * schema library, because every frame of every client comes through here. Never throws.
 */
import {
  CLIENT_MESSAGES,
  type ClientMessage,
  type ClientMessageType,
  type ErrorCode,
  type JoinKind,
  type ParsedChannel,
  type Position,
  parseChannel,
  parsePosition,
  parseProperty,
  type Ref,
} from '@belfry/shared/protocol';
import { isJoinKind } from './automatic-channels.js';

/** More than there are kinds. */
const MAX_JOIN_KINDS = 16;

export interface BadFrame {
  readonly error: ErrorCode;
  readonly message: string;
  readonly ref?: Ref | undefined;
}

/** One channel that a SUBSCRIBE, UNSUBSCRIBE or GET_STATE names; `parsed` is undefined for what is no channel. */
export interface NamedChannel {
  readonly given: string;
  readonly parsed: ParsedChannel | undefined;
  readonly after: Position | undefined;
}

export type ClientFrame =
  | {
      readonly type: 'AUTHENTICATE';
      readonly token: string;
      /** Undefined for all that are set. */
      readonly join: readonly JoinKind[] | undefined;
      readonly ref: Ref | undefined;
    }
  | {
      readonly type: 'SUBSCRIBE';
      readonly channels: readonly NamedChannel[];
      readonly rewind: number | undefined;
      readonly ref: Ref | undefined;
    }
  | {
      readonly type: 'UNSUBSCRIBE' | 'GET_STATE';
      readonly channels: readonly NamedChannel[];
      readonly ref: Ref | undefined;
    }
  | { readonly type: 'GET_STATUS' | 'PING' | 'PONG'; readonly ref: Ref | undefined };

/** A client may name this many channels at once; a frame of 16 KB holds hardly more. */
const MAX_CHANNELS_PER_FRAME = 1_000;
const MAX_REWIND = 1_000;
const MAX_REF_LENGTH = 128;

const TYPES: ReadonlySet<string> = new Set(Object.keys(CLIENT_MESSAGES));
const isClientMessageType = (type: string): type is ClientMessageType => TYPES.has(type);

type Fields = Readonly<Record<string, unknown>>;

export function readClientFrame(text: string): ClientFrame | BadFrame {
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    return bad('the frame is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed))
    return bad('a frame must be one JSON object');
  if (Object.hasOwn(parsed, '__proto__')) return bad('the field __proto__ is not allowed');
  const fields = parsed as Fields;
  const ref = fields.ref;
  if (ref !== undefined && !isRef(ref)) return bad('ref must be a number, or text of up to 128 characters');
  const type = fields.type;
  if (typeof type !== 'string') return bad('the field type is missing', ref);
  if (!isClientMessageType(type)) {
    return { error: 'unknown_type', message: `there is no message type ${JSON.stringify(type.slice(0, 64))}`, ref };
  }
  return readFields(type, fields, ref);
}

const isRef = (ref: unknown): ref is Ref =>
  (typeof ref === 'string' && ref.length <= MAX_REF_LENGTH) || (typeof ref === 'number' && Number.isFinite(ref));

function readFields(type: ClientMessage['type'], fields: Fields, ref: Ref | undefined): ClientFrame | BadFrame {
  switch (type) {
    case 'AUTHENTICATE':
      return readAuthenticate(fields, ref);
    case 'SUBSCRIBE':
      return readSubscribe(fields, ref);
    case 'UNSUBSCRIBE':
    case 'GET_STATE': {
      const channels = readChannels(fields, () => undefined);
      return typeof channels === 'string' ? bad(channels, ref) : { type, channels, ref };
    }
    case 'GET_STATUS':
    case 'PING':
    case 'PONG':
      return { type, ref };
  }
}

function readAuthenticate({ join, token }: Fields, ref: Ref | undefined): ClientFrame | BadFrame {
  if (typeof token !== 'string') return bad('token must be text', ref);
  if (join === undefined) return { type: 'AUTHENTICATE', token, join, ref };
  // What a later version may join is not known here, and so not joined.
  if (!Array.isArray(join) || join.length > MAX_JOIN_KINDS) return bad('join must be a short list', ref);
  return { type: 'AUTHENTICATE', token, join: join.filter(isJoinKind), ref };
}

function readSubscribe(fields: Fields, ref: Ref | undefined): ClientFrame | BadFrame {
  const rewind = fields.rewind;
  if (
    rewind !== undefined &&
    !(Number.isInteger(rewind) && (rewind as number) >= 0 && (rewind as number) <= MAX_REWIND)
  ) {
    return bad(`rewind must be a whole number from 0 to ${MAX_REWIND}`, ref);
  }
  const positions = readAfter(fields.after);
  if (typeof positions === 'string') return bad(positions, ref);
  const channels = readChannels(fields, positions);
  if (typeof channels === 'string') return bad(channels, ref);
  return { type: 'SUBSCRIBE', channels, rewind: rewind as number | undefined, ref };
}

type PositionOf = (channel: string, given: string) => Position | undefined;

/** `after` is one position for every channel named, or a position per channel. Returns what is wrong as text. */
function readAfter(after: unknown): PositionOf | string {
  if (after === undefined || after === null) return () => undefined;
  if (typeof after === 'string') {
    const position = parsePosition(after);
    return position ? () => position : 'after must be a position, "<epoch>-<offset>"';
  }
  if (typeof after !== 'object' || Array.isArray(after))
    return 'after must be a position, or an object of positions by channel';
  const positions = new Map<string, Position>();
  for (const [channel, text] of Object.entries(after)) {
    const position = parsePosition(text);
    if (!position) return `after: the position of ${JSON.stringify(channel.slice(0, 80))} must be "<epoch>-<offset>"`;
    positions.set(channel, position);
  }
  return (channel, given) => positions.get(channel) ?? positions.get(given);
}

/** Dashboards name the same properties again and again: their names need not be put together for each. */
const known = new Map<string, ParsedChannel>();
const MAX_KNOWN = 4_096;

function knownProperty(id: string): ParsedChannel | undefined {
  const found = known.get(id);
  if (found) return found;
  const parsed = parseProperty(id);
  if (!parsed) return undefined;
  if (known.size >= MAX_KNOWN) known.clear();
  known.set(id, parsed);
  return parsed;
}

const LISTS = ['property_ids', 'channels'] as const;

function readChannels(fields: Fields, positionOf: PositionOf): NamedChannel[] | string {
  const named: NamedChannel[] = [];
  const add = (given: unknown, parse: (name: string) => ParsedChannel | undefined): boolean => {
    if (typeof given !== 'string') return false;
    const parsed = parse(given);
    named.push({ given, parsed, after: parsed && positionOf(parsed.channel, given) });
    return true;
  };
  const { property_id, property_ids, channel, channels } = fields;
  if (property_id !== undefined && !add(textOf(property_id), knownProperty)) return 'property_id must be text';
  if (channel !== undefined && !add(channel, parseChannel)) return 'channel must be text';
  for (const field of LISTS) {
    const list = field === 'channels' ? channels : property_ids;
    if (list === undefined) continue;
    if (!Array.isArray(list)) return `${field} must be a list`;
    for (const item of list) {
      if (named.length >= MAX_CHANNELS_PER_FRAME) return `a frame may name at most ${MAX_CHANNELS_PER_FRAME} channels`;
      const taken = field === 'channels' ? add(textOf(item), parseChannel) : add(textOf(item), knownProperty);
      if (!taken) return `${field} must be a list of text`;
    }
  }
  return named.length > 0 ? named : 'name a channel: property_id, property_ids, channel or channels';
}

/** Property ids that look like numbers are sent as numbers by some clients. */
const textOf = (id: unknown): unknown => (Number.isSafeInteger(id) ? String(id) : id);

const bad = (message: string, ref?: Ref): BadFrame => ({ error: 'bad_message', message, ref });
