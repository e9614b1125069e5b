import { describe, expect, it } from 'vitest';
import { parseChannel } from '../protocol/index.js';
import { authorise } from './authorise.js';
import { parseBoardReaders } from './board-readers.js';
import type { Identity } from './identity.js';

const somebody = (role: string | undefined): Identity => ({
  userId: 'somebody',
  role,
  properties: new Set(),
  expiresAt: 0,
  issuedAt: undefined,
  tokenId: undefined,
});

describe('who may read a board', () => {
  const boardReaders = parseBoardReaders(['tasks:manager|LANDLORD', 'budget:*']);
  const mayRead = (role: string | undefined, board: string, readers = boardReaders) =>
    authorise(
      somebody(role),
      'read',
      { kind: 'state', id: board, channel: `state:${board}` },
      { properties: 'roles', boardReaders: readers },
    );

  it.each([
    // board, ADMIN, HR, MANAGER, LANDLORD, another role, none
    ['tasks', true, true, true, true, false, false],
    ['budget', true, true, true, true, true, true],
    ['sources', true, true, true, true, true, true],
    ['audit', true, true, false, false, false, false],
  ] as const)('%s: those that the setting names, and HR and ADMIN', (board, ...expected) => {
    const roles = ['ADMIN', 'HR', 'MANAGER', 'LANDLORD', 'INSPECTOR', undefined];
    expect(roles.map((role) => mayRead(role, board))).toEqual(expected);
  });

  it.each([
    [[], true, true],
    [['tasks:MANAGER'], true, true],
    [['sources:*'], true, true],
    [['tasks:*', 'sources:MANAGER'], true, false],
    [['sources:HR'], false, false],
  ] as const)('the city’s sources are for every signed-in user unless %j names them', (entries, manager, landlord) => {
    const readers = parseBoardReaders(entries);
    expect(['MANAGER', 'LANDLORD'].map((role) => mayRead(role, 'sources', readers))).toEqual([manager, landlord]);
    expect(['ADMIN', 'HR'].map((role) => mayRead(role, 'sources', readers))).toEqual([true, true]);
  });

  it('concerns boards only', () => {
    const channel = parseChannel('role:tasks');
    if (!channel) throw new Error('no channel');
    expect(authorise(somebody('MANAGER'), 'read', channel, { properties: 'roles', boardReaders })).toBe(false);
  });

  it.each(['tasks', 'tasks:', 'tasks:A|', 'tasks:A B', 'a board:HR', ':*', 'tasks:*|HR'])('refuses %j', (entry) => {
    expect(() => parseBoardReaders([entry])).toThrow(JSON.stringify(entry));
  });
});
