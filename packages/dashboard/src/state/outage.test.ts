/** What is said while there is no connection. */
import { expect, it } from 'vitest';
import { outageOf } from './outage.js';

const interrupted = {
  status: 'reconnecting',
  mode: 'stale',
  why: undefined,
  online: true,
  received: true,
  since: undefined,
} as const;

it('says from when the numbers are, where there are any', () => {
  const text = outageOf({ ...interrupted, since: new Date(2026, 0, 1, 1, 33).getTime() });
  expect(text).toBe('The connection is interrupted. Shown is how things were at 01:33. Nothing will be missed.');
  expect(outageOf(interrupted)).toContain('Shown is how things were. ');
  expect(outageOf({ ...interrupted, mode: 'polling' })).toContain('fetched every few seconds');
});

it('claims to show nothing where nothing was ever received', () => {
  const never = { ...interrupted, received: false, since: 1 };
  expect(outageOf({ ...never, status: 'connecting' })).toBe(
    'There is no connection yet. The page fills by itself once there is one.',
  );
  expect(outageOf({ ...never, online: false })).toBe(
    'This device is offline. The page fills by itself once it is not.',
  );
  expect(outageOf({ ...never, status: 'disconnected', why: 'the token has expired' })).toBe(
    'Disconnected: the token has expired.',
  );
});

it('gives the reason of an end', () => {
  const text = outageOf({ ...interrupted, status: 'disconnected', why: 'the token was revoked' });
  expect(text).toMatch(/^Disconnected: the token was revoked\. Shown is how things were\./);
  expect(outageOf({ ...interrupted, status: 'disconnected' })).toMatch(/^Disconnected\. /);
});
