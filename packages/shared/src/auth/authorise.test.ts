/** Who may read what, decided once: every role against every channel. Whatever is not written here is denied. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseChannel } from '../protocol/index.js';
import { accessTable, CHANNELS, READERS } from './access-table.js';
import { authorise } from './authorise.js';

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
};

const allowedIn = (cells: Record<string, boolean>): string[] =>
  Object.keys(cells)
    .filter((channel) => cells[channel])
    .sort();

describe.each([
  ['roles', (expected: string[]) => expected],
  ['authenticated', (expected: string[]) => [...new Set([...expected, ...ALL_PROPERTIES])]],
] as const)('with ACCESS_POLICY=%s', (policy, widened) => {
  it.each(Object.keys(READERS))('%s reads exactly what is written down', (reader) => {
    expect(allowedIn(accessTable(policy)[reader] ?? {})).toEqual(widened(ROLES[reader] ?? []).sort());
  });
});

it('the table has every reader and every channel', () => {
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
