/**
 * Who may read what: one pure function, used by subscribe, recovery, snapshots, HTTP and streams alike, so that no way in
 * can disagree with another. Deny by default.
 */
import { EVERYONE_CHANNEL, type ParsedChannel } from '../protocol/index.js';
import { type BoardReaders, EVERYONE } from './board-readers.js';
import type { Identity } from './identity.js';

/** `roles`: by role and the token's properties. `authenticated`: any signed-in user may read any property. */
export const ACCESS_POLICIES = ['roles', 'authenticated'] as const;

/** What an installation has decided. Made from its settings: see `accessPolicyFrom`. */
export interface AccessPolicy {
  readonly properties: (typeof ACCESS_POLICIES)[number];
  /** Roles that may read a board besides HR and ADMIN, by the board's name. */
  readonly boardReaders: BoardReaders;
}

/**
 * `subscribe` to what comes, `read` what was: recovery and snapshots. Whoever may do one may do the other. `operate` is
 * what the operators' port does: for tokens that are meant for it, which in turn read nothing.
 */
export const ACTIONS = ['subscribe', 'read', 'operate'] as const;
export type Action = (typeof ACTIONS)[number];

const SEES_EVERYTHING: ReadonlySet<string | undefined> = new Set(['ADMIN', 'HR']);
const SEES_OWN_PROPERTIES: ReadonlySet<string | undefined> = new Set(['MANAGER', 'LANDLORD']);

export function authorise(identity: Identity, action: Action, channel: ParsedChannel, policy: AccessPolicy): boolean {
  if (action === 'operate' || identity.operator) return action === 'operate' && identity.operator === true;
  switch (channel.kind) {
    case 'property':
      if (policy.properties === 'authenticated' || SEES_EVERYTHING.has(identity.role)) return true;
      return SEES_OWN_PROPERTIES.has(identity.role) && owns(identity, channel.id);
    case 'user':
      return channel.id === identity.userId;
    case 'role':
      return (
        channel.channel === EVERYONE_CHANNEL ||
        (identity.role !== undefined && channel.id === identity.role.toLowerCase())
      );
    case 'global':
      return SEES_EVERYTHING.has(identity.role);
    case 'state':
      return SEES_EVERYTHING.has(identity.role) || reads(identity, policy.boardReaders.get(channel.id));
  }
}

const owns = (identity: Identity, property: string): boolean =>
  identity.properties === 'all' || identity.properties.has(property);

const reads = (identity: Identity, readers: ReadonlySet<string> | undefined): boolean =>
  readers !== undefined && (readers.has(EVERYONE) || (identity.role !== undefined && readers.has(identity.role)));

/** A name that no property can have: who may read it may read any. */
const ANY: ParsedChannel = { kind: 'property', id: '*', channel: 'property:*' };

/** The properties that somebody may read, by `authorise` itself: for what is decided when no token is at hand. */
export function readableProperties(identity: Identity, policy: AccessPolicy): 'all' | readonly string[] {
  if (authorise(identity, 'read', ANY, policy)) return 'all';
  if (identity.properties === 'all') return [];
  return [...identity.properties].filter((id) =>
    authorise(identity, 'read', { kind: 'property', id, channel: `property:${id}` }, policy),
  );
}
