/**
 * Channel names: the grammar of PROTOCOL.md, and the aliases that older clients use.
 * Nothing here decides who may read a channel; that is auth/authorise.
 */

/** The kinds of channel that exist. `global` has no name behind it. */
const CHANNEL_KINDS = ['property', 'user', 'role', 'global', 'state'] as const;
export type ChannelKind = (typeof CHANNEL_KINDS)[number];

export interface ParsedChannel {
  readonly kind: ChannelKind;
  /** What stands behind the colon; empty for `global`. */
  readonly id: string;
  /** The canonical name. */
  readonly channel: string;
}

/** 64 characters hold a UUID, a BBL and any database id, and bound what one name can cost in Redis and in logs. */
const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const KINDS: ReadonlySet<string> = /* @__PURE__ */ new Set(CHANNEL_KINDS);

export const GLOBAL_CHANNEL = 'global';
/** Joined by everybody who is signed in: for messages to all. */
export const EVERYONE_CHANNEL = 'role:everyone';

export const isChannelId = (id: unknown): id is string => typeof id === 'string' && NAME.test(id);

export const propertyChannel = (propertyId: string): string => `property:${propertyId}`;
export const userChannel = (userId: string): string => `user:${userId}`;
export const roleChannel = (role: string): string => `role:${role}`;
export const stateChannel = (name: string): string => `state:${name}`;

/**
 * Reads a channel name, `kind:id` or `global`; the room name of older clients, `property-456`, is an alias, and so is a
 * role in capitals.
 * Returns undefined for anything else: never throws, whatever it is given.
 */
export function parseChannel(name: unknown): ParsedChannel | undefined {
  if (typeof name !== 'string' || name.length > 80) return undefined;
  if (name === GLOBAL_CHANNEL) return { kind: 'global', id: '', channel: GLOBAL_CHANNEL };
  const colon = name.indexOf(':');
  if (colon === -1) {
    return name.startsWith('property-') ? named('property', name.slice('property-'.length)) : undefined;
  }
  const kind = name.slice(0, colon);
  return KINDS.has(kind) && kind !== GLOBAL_CHANNEL ? named(kind as ChannelKind, name.slice(colon + 1)) : undefined;
}

/** The channel of a property; undefined for what is no property's id. */
export const parseProperty = (id: string): ParsedChannel | undefined => named('property', id);

function named(kind: ChannelKind, id: string): ParsedChannel | undefined {
  if (!NAME.test(id)) return undefined;
  // Tokens write roles in capitals or not: an event for `role:MANAGER` would otherwise reach nobody, and nobody be told.
  const known = kind === 'role' ? id.toLowerCase() : id;
  return { kind, id: known, channel: `${kind}:${known}` };
}

/** The property behind a channel name, where it is a property's. */
export const propertyOf = (channel: string): string | undefined =>
  channel.startsWith('property:') ? channel.slice('property:'.length) : undefined;
