/** Channels that a session joins without asking: told in AUTHENTICATED and GET_STATUS. */
import { type AccessPolicy, authorise, type Identity } from '@belfry/shared/auth';
import {
  EVERYONE_CHANNEL,
  GLOBAL_CHANNEL,
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
): readonly string[] {
  const channels: string[] = [];
  for (const join of joins) channels.push(...channelsOf(join, identity));
  const allowed = (name: string): boolean => {
    const channel = parseChannel(name);
    return channel !== undefined && authorise(identity, 'subscribe', channel, policy);
  };
  return channels.filter(allowed).slice(0, most);
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
