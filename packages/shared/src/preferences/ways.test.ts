/** By which ways alerts leave, on a real Redis: what nobody says any more is not so any more. */
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type Connection, connect } from '../log/index.js';
import { type Preferences, parsePreferences, type Way } from './preferences.js';
import { createWayStore, SAY_WAYS_EVERY_MS } from './ways.js';

let redis: TestRedis;
let connection: Connection;

beforeAll(async () => {
  redis = await startRedis();
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
});
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

const preferring = (...ways: Way[]): Preferences => ({
  rules: ways.map((way) => ({ id: way, properties: '*', min_severity: 'info', via: [way], digest: 'none' })),
});

it('a way is missing where a rule names it and no publisher has said it of late', async () => {
  const ways = createWayStore({ connection, prefix: 'belfry' });
  expect(await ways.missingFor(preferring('email', 'webhook'))).toEqual(['email', 'webhook']);
  await ways.say(['webhook', 'sms']);
  expect(await ways.missingFor(preferring('email', 'webhook'))).toEqual(['email']);
  expect(await ways.missingFor(preferring('sms'))).toEqual([]);
  expect(await ways.missingFor({ rules: [] })).toEqual([]);
  const left = await connection.pttl('belfry:{alerts}:way:webhook');
  // One that is late by a turn is not missed.
  expect(left).toBeGreaterThan(2 * SAY_WAYS_EVERY_MS - 1);
  expect(left).toBeLessThanOrEqual(3 * SAY_WAYS_EVERY_MS);
});

it('preferences with what was said of their ways are taken as those without', () => {
  const preferences = preferring();
  expect(parsePreferences({ ...preferences, undeliverable: ['email'] })).toEqual({ preferences });
});
