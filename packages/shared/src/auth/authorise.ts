/**
 * Who may read what: one pure function, used by subscribe, recovery, snapshots, HTTP and streams alike, so that no way in
 * can disagree with another. Deny by default.
 */
import type { ParsedChannel } from '../protocol/index.js';
import type { Identity } from './identity.js';

/** `roles`: by role and the token's properties. `authenticated`: any signed-in user may read any property. */
export const ACCESS_POLICIES = ['roles', 'authenticated'] as const;
export type AccessPolicy = (typeof ACCESS_POLICIES)[number];

/** `subscribe` to what comes, `read` what was: recovery and snapshots. Whoever may do one may do the other. */
export type Action = 'subscribe' | 'read';

const SEES_EVERYTHING: ReadonlySet<string | undefined> = new Set(['ADMIN', 'HR']);
const SEES_OWN_PROPERTIES: ReadonlySet<string | undefined> = new Set(['MANAGER', 'LANDLORD']);

/** State of the sources ("city data as of …") belongs on every dashboard. */
const PUBLIC_BOARDS: ReadonlySet<string> = new Set(['sources']);

export function authorise(identity: Identity, _action: Action, channel: ParsedChannel, policy: AccessPolicy): boolean {
  switch (channel.kind) {
    case 'property':
      if (policy === 'authenticated' || SEES_EVERYTHING.has(identity.role)) return true;
      return SEES_OWN_PROPERTIES.has(identity.role) && owns(identity, channel.id);
    case 'user':
      return channel.id === identity.userId;
    case 'role':
      return identity.role !== undefined && channel.id === identity.role.toLowerCase();
    case 'global':
      return SEES_EVERYTHING.has(identity.role);
    case 'state':
      return PUBLIC_BOARDS.has(channel.id) || SEES_EVERYTHING.has(identity.role);
  }
}

const owns = (identity: Identity, property: string): boolean =>
  identity.properties === 'all' || identity.properties.has(property);
