/** What is joined without being asked for, by role, as the settings say unless they are told otherwise. */
import { readSettings } from '@belfry/shared/service';
import { describe, expect, it } from 'vitest';
import { automaticChannels, parseJoinRule, parseJoinRules } from './automatic-channels.js';
import { sessionSettings } from './settings.js';

const settings = readSettings(sessionSettings, {});
const joins = { rules: parseJoinRules(settings.AUTO_JOIN), maxProperties: settings.AUTO_JOIN_PROPERTIES };
const policy = { properties: 'authenticated', boardReaders: new Map() } as const;

function joined(role: string | undefined, properties: 'all' | readonly string[] = ['1', '2']) {
  const identity = {
    userId: 'u',
    role,
    properties: properties === 'all' ? properties : new Set(properties),
    expiresAt: 0,
    issuedAt: undefined,
    tokenId: undefined,
  };
  const { channels, notJoined } = automaticChannels(identity, joins, undefined, policy, settings.MAX_SUBSCRIPTIONS);
  return { names: channels.map(({ channel }) => channel), notJoined };
}

describe('by default', () => {
  it.each([
    ['MANAGER', ['user:u', 'role:manager', 'role:everyone', 'property:1', 'property:2']],
    ['LANDLORD', ['user:u', 'role:landlord', 'role:everyone']],
    ['HR', ['user:u', 'role:hr', 'role:everyone', 'global']],
    ['ADMIN', ['user:u', 'role:admin', 'role:everyone']],
    [undefined, ['user:u', 'role:everyone']],
  ])('%s joins %j', (role, names) => {
    expect(joined(role)).toEqual({ names, notJoined: 0 });
  });

  it('a manager of everything joins no property, and one of a thousand the first hundred', () => {
    expect(joined('MANAGER', 'all').names).toHaveLength(3);
    const many = joined(
      'MANAGER',
      Array.from({ length: 1_000 }, (_, n) => String(n)),
    );
    expect(many.names.slice(3)).toEqual(Array.from({ length: 100 }, (_, n) => `property:${n}`));
    expect(many.notJoined).toBe(900);
  });
});

it.each(['', 'users', 'global:', 'global:HR:ADMIN', ':HR'])('%j is no rule', (text) => {
  expect(parseJoinRule(text)).toBeUndefined();
});
