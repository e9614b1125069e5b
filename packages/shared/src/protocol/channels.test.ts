/** Channel names: what is one, what is an alias of one, and that no look-alike passes. */
import { expect, it } from 'vitest';
import { parseChannel } from './channels.js';

const canonical = (name: unknown): string | undefined => parseChannel(name)?.channel;

it('knows aliases: the rooms of older clients, and roles as tokens write them', () => {
  expect(canonical('property-456')).toBe('property:456');
  expect(canonical('role:MANAGER')).toBe('role:manager');
  expect(canonical('role:Everyone')).toBe('role:everyone');
});

it('leaves every other name as it is', () => {
  for (const name of ['global', 'property:1012650001', 'property:ABC', 'user:Landlord-7', 'state:Tasks']) {
    expect(canonical(name)).toBe(name);
  }
});

it.each([
  'Property:1012650001',
  'GLOBAL',
  'global:',
  'global:x',
  'property:',
  'property:1012650001 ',
  'property:1012650001\n',
  'property:１０１２６５０００１',
  'user:lаndlord',
  'user:a:b',
  'user:a}',
  'state:{x}',
  'role:*',
  'property:*',
  'property-',
  'property-1:2',
  'room:1',
  `property:${'1'.repeat(65)}`,
  '__proto__:x',
  7,
  null,
  ['global'],
])('refuses %j', (name) => {
  expect(parseChannel(name)).toBeUndefined();
});

it('is its own canonical form', () => {
  for (const name of ['property-456', 'role:HR', 'user:x', 'global']) {
    expect(canonical(canonical(name))).toBe(canonical(name));
  }
});
