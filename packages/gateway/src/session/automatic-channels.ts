/** Channels that a session joins without asking: told in AUTHENTICATED and GET_STATUS. */
import { type AccessPolicy, authorise, type Identity } from '@belfry/shared/auth';
import {
  EVERYONE_CHANNEL,
  GLOBAL_CHANNEL,
  JOIN_KINDS,
  type JoinKind,
  type ParsedChannel,
  propertyChannel,
  roleChannel,
  userChannel,
} from '@belfry/shared/protocol';

/** One kind of channel, for everybody who may read it or for the holders of one role. */
export interface JoinRule {
  readonly kind: JoinKind;
  /** In capitals; undefined for any. */
  readonly role: string | undefined;
}

export interface AutomaticJoins {
  readonly rules: readonly JoinRule[];
  /** Properties of a token that are joined at most: each is a channel that Redis is asked for as the client comes. */
  readonly maxProperties: number;
}

export interface AutomaticChannels {
  readonly channels: readonly ParsedChannel[];
  /** How many more there would be, were there no limits. */
  readonly notJoined: number;
}

/** `kind` or `kind:ROLE`; undefined for anything else. */
export function parseJoinRule(text: string): JoinRule | undefined {
  const [kind = '', role, ...more] = text.split(':');
  if (!isJoinKind(kind) || more.length > 0 || role === '') return undefined;
  return { kind, role: role?.toUpperCase() };
}

export const parseJoinRules = (texts: readonly string[]): readonly JoinRule[] =>
  texts.flatMap((text) => parseJoinRule(text) ?? []);

export const isJoinKind = (kind: unknown): kind is JoinKind => (JOIN_KINDS as readonly unknown[]).includes(kind);

/**
 * @param kinds those that the client wants, of all that are set; undefined for all
 * @param most how many channels a connection may hold
 */
export function automaticChannels(
  identity: Identity,
  { maxProperties, rules }: AutomaticJoins,
  kinds: readonly JoinKind[] | undefined,
  policy: AccessPolicy,
  most: number,
): AutomaticChannels {
  const channels: ParsedChannel[] = [];
  let notJoined = 0;
  for (const { kind, role } of rules) {
    if ((role !== undefined && role !== identity.role) || (kinds && !kinds.includes(kind))) continue;
    const until = Math.min(most, kind === 'properties' ? channels.length + maxProperties : most);
    for (const channel of channelsOf(kind, identity)) {
      if (!authorise(identity, 'subscribe', channel, policy)) continue;
      if (channels.length < until) channels.push(channel);
      else notJoined += 1;
    }
  }
  return { channels, notJoined };
}

const GLOBAL: ParsedChannel = { kind: 'global', id: '', channel: GLOBAL_CHANNEL };
const EVERYONE: ParsedChannel = { kind: 'role', id: 'everyone', channel: EVERYONE_CHANNEL };
const JUST_GLOBAL = [GLOBAL];
const JUST_EVERYONE = [EVERYONE];

/** Not parsed: a token whose user, role or properties would be no names was refused. */
function channelsOf(kind: JoinKind, { properties, role, userId }: Identity): readonly ParsedChannel[] {
  switch (kind) {
    case 'user':
      return [{ kind: 'user', id: userId, channel: userChannel(userId) }];
    case 'role':
      return role ? [ofRole(role.toLowerCase()), EVERYONE] : JUST_EVERYONE;
    case 'properties':
      return properties === 'all'
        ? []
        : [...properties].map((id) => ({ kind: 'property', id, channel: propertyChannel(id) }));
    case 'global':
      return JUST_GLOBAL;
  }
}

const ofRole = (id: string): ParsedChannel => ({ kind: 'role', id, channel: roleChannel(id) });
