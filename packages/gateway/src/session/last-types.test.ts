import { expect, it } from 'vitest';
import { NO_TYPES, readTypes, withType } from './last-types.js';

it('remembers the types of the last eight messages, oldest first', () => {
  expect(readTypes(NO_TYPES)).toEqual([]);
  const sent = [
    'AUTHENTICATE',
    'SUBSCRIBE',
    'PONG',
    'invalid',
    'GET_STATE',
    'PING',
    'UNSUBSCRIBE',
    'GET_STATUS',
    'PONG',
  ];
  let types = NO_TYPES;
  for (const [n, type] of sent.entries()) {
    types = withType(types, type);
    expect(readTypes(types)).toEqual(sent.slice(Math.max(0, n - 7), n + 1));
  }
});
