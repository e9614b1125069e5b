/**
 * The authorisation rules as a table: every kind of reader against every kind of channel, answered by `authorise` itself.
 * The table in PROTOCOL.md is written from it, and the test holds it against what was decided.
 */
import { parseChannel } from '../protocol/index.js';
import { type AccessPolicy, type Action, authorise } from './authorise.js';
import type { Identity } from './identity.js';

const NOBODYS: ReadonlySet<string> = new Set();
const identity = (
  userId: string,
  role: string | undefined,
  properties: Identity['properties'] = NOBODYS,
): Identity => ({
  userId,
  role,
  properties,
  expiresAt: Number.MAX_SAFE_INTEGER,
  issuedAt: undefined,
  tokenId: undefined,
});

const OWN: ReadonlySet<string> = new Set(['1012650001']);

/** Readers, by what the table calls them. All are the user `me`, and own the property 1012650001 where they own any. */
export const READERS: Readonly<Record<string, Identity>> = {
  ADMIN: identity('me', 'ADMIN'),
  HR: identity('me', 'HR'),
  MANAGER: identity('me', 'MANAGER', OWN),
  LANDLORD: identity('me', 'LANDLORD', OWN),
  'MANAGER of "*"': identity('me', 'MANAGER', 'all'),
  'another role': identity('me', 'TENANT', OWN),
  'no role': identity('me', undefined),
  operator: { ...identity('me', 'ADMIN', 'all'), operator: true },
};

/** Channels, by what the table calls them; `role:own` stands for the reader's own role. */
export const CHANNELS: Readonly<Record<string, string>> = {
  'property in the token': 'property:1012650001',
  'any other property': 'property:1012650002',
  'own `user:`': 'user:me',
  'another `user:`': 'user:you',
  'own `role:`': 'role:own',
  'another `role:`': 'role:others',
  '`role:everyone`': 'role:everyone',
  '`global`': 'global',
  '`state:` for all': 'state:sources',
  '`state:` for MANAGER': 'state:tasks',
  'any other `state:`': 'state:secret',
};

const BOARD_READERS: AccessPolicy['boardReaders'] = new Map([
  ['sources', new Set(['*'])],
  ['tasks', new Set(['MANAGER'])],
]);

/** Per reader, per channel, whether the action is allowed. */
export function accessTable(
  properties: AccessPolicy['properties'],
  action: Action = 'read',
): Record<string, Record<string, boolean>> {
  const policy: AccessPolicy = { properties, boardReaders: BOARD_READERS };
  const rows = Object.entries(READERS).map(([reader, who]) => {
    const cells = Object.entries(CHANNELS).map(([label, name]) => {
      const channel = parseChannel(name === 'role:own' ? `role:${who.role?.toLowerCase() ?? 'none'}` : name);
      return [label, channel !== undefined && authorise(who, action, channel, policy)] as const;
    });
    return [reader, Object.fromEntries(cells)] as const;
  });
  return Object.fromEntries(rows);
}
