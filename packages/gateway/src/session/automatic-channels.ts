/** Channels that a session joins without asking: told in AUTHENTICATED and GET_STATUS. */
import { type AccessPolicy, authorise, type Identity } from '@belfry/shared/auth';
import {
  EVERYONE_CHANNEL,
  GLOBAL_CHANNEL,
  type ParsedChannel,
  parseChannel,
  propertyChannel,
  roleChannel,
  userChannel,
} from '@belfry/shared/protocol';

/** `user`: one’s own; `role`: of one’s role and of everybody; `properties`: those in the token; `global`: for who may. */
export const AUTOMATIC_JOINS = ['user', 'role', 'properties', 'global'] as const;
export type AutomaticJoin = (typeof AUTOMATIC_JOINS)[number];

export function automaticChannels(
  identity: Identity,
  joins: readonly AutomaticJoin[],
  policy: AccessPolicy,
  most: number,
): readonly ParsedChannel[] {
  const channels: ParsedChannel[] = [];
  for (const join of joins) {
    for (const name of channelsOf(join, identity)) {
      const channel = parseChannel(name);
      if (channels.length < most && channel && authorise(identity, 'subscribe', channel, policy))
        channels.push(channel);
    }
  }
  return channels;
}

function channelsOf(join: AutomaticJoin, identity: Identity): readonly string[] {
  switch (join) {
    case 'user':
      return [userChannel(identity.userId)];
    case 'role':
      return identity.role ? [roleChannel(identity.role.toLowerCase()), EVERYONE_CHANNEL] : [EVERYONE_CHANNEL];
    case 'properties':
      return identity.properties === 'all' ? [] : [...identity.properties].map(propertyChannel);
    case 'global':
      return [GLOBAL_CHANNEL];
  }
}
