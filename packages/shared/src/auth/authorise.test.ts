/** Who may read what, decided once: every role against every channel. Whatever is not written here is denied. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChannel } from '../protocol/index.js';
import { accessTable, CHANNELS, READERS } from './access-table.js';
import { ACTIONS, authorise } from './authorise.js';

const ALWAYS = ['own `user:`', '`role:everyone`', '`state:` for all'];
const ALL_PROPERTIES = ['property in the token', 'any other property'];
const EVERYTHING = [
  ...ALWAYS,
  ...ALL_PROPERTIES,
  'own `role:`',
  '`global`',
  '`state:` for MANAGER',
  'any other `state:`',
];

const ROLES: Record<string, string[]> = {
  ADMIN: EVERYTHING,
  HR: EVERYTHING,
  MANAGER: [...ALWAYS, 'property in the token', 'own `role:`', '`state:` for MANAGER'],
  LANDLORD: [...ALWAYS, 'property in the token', 'own `role:`'],
  'MANAGER of "*"': [...ALWAYS, ...ALL_PROPERTIES, 'own `role:`', '`state:` for MANAGER'],
  'another role': [...ALWAYS, 'own `role:`'],
  'no role': ALWAYS,
  operator: [],
};

const allowedIn = (cells: Record<string, boolean>): string[] =>
  Object.keys(cells)
    .filter((channel) => cells[channel])
    .sort();

describe.each([
  ['roles', (expected: string[]) => expected],
  ['authenticated', (expected: string[]) => [...new Set([...expected, ...ALL_PROPERTIES])]],
] as const)('with ACCESS_POLICY=%s', (policy, widened) => {
  const clients = Object.keys(READERS).filter((reader) => reader !== 'operator');
  describe.each(['read', 'subscribe'] as const)('%s', (action) => {
    it.each(clients)('is allowed to %s exactly where it is written down', (reader) => {
      expect(allowedIn(accessTable(policy, action)[reader] ?? {})).toEqual(widened(ROLES[reader] ?? []).sort());
    });
    it('is allowed to an operator nowhere', () => {
      expect(allowedIn(accessTable(policy, action).operator ?? {})).toEqual([]);
    });
  });
  it.each(clients)('operate: %s nowhere', (reader) => {
    expect(allowedIn(accessTable(policy, 'operate')[reader] ?? {})).toEqual([]);
  });
  it('operate: an operator everywhere', () => {
    // A channel that the reader's own role does not make, there is none.
    expect(Object.values(accessTable(policy, 'operate').operator ?? {}).every(Boolean)).toBe(true);
  });
});

it('the table has every reader, every channel and every action', () => {
  expect(ACTIONS).toEqual(['subscribe', 'read', 'operate']);
  expect(Object.keys(ROLES)).toEqual(Object.keys(READERS));
  expect(
    Object.values(accessTable('roles')).every((cells) => Object.keys(cells).length === Object.keys(CHANNELS).length),
  ).toBe(true);
});

it('nobody reads another user’s channel, whatever the token says', () => {
  fc.assert(
    fc.property(
      fc.stringMatching(/^[A-Za-z0-9_-]{1,16}$/),
      fc.stringMatching(/^[A-Za-z0-9_-]{1,16}$/),
      fc.constantFrom(...Object.values(READERS)),
      (user, other, reader) => {
        fc.pre(user !== other);
        const channel = parseChannel(`user:${other}`);
        if (!channel) throw new Error('not a channel');
        const policy = { properties: 'authenticated', boardReaders: new Map() } as const;
        expect(authorise({ ...reader, userId: user }, 'read', channel, policy)).toBe(false);
      },
    ),
  );
});
