/** Clients that cannot ask again, as on an event stream: what they cannot have at once comes when it can be had, with all before it. */
import { CLOSE_CODES } from '@belfry/shared/protocol';
import { createBudgets } from '@belfry/shared/service';
import { expect, it } from 'vitest';
import { createStage } from './session.test-support.js';

const CHANNELS = ['user:landlord-7', 'property:1'] as const;

/** Comes back with the first position of each channel. */
function comeBack(stage: ReturnType<typeof createStage>, positions: Readonly<Record<string, string | undefined>>) {
  stage.identities.set('good', { role: 'LANDLORD' });
  const client = stage.connect('good', CHANNELS);
  client.send({ type: 'SUBSCRIBE', channels: CHANNELS, after: positions });
  return client;
}

/** Their numbers, by channel; what has no number is left out. */
const eventsOf = (frames: readonly Record<string, unknown>[]) =>
  CHANNELS.map((name) => frames.filter(({ channel, n }) => channel === name && n !== undefined).map(({ id }) => id));

it.each([
  ['nobody else follows', false],
  ['others follow, and have moved on with', true],
])('while Redis is away: what %s', async (_, followed) => {
  const stage = createStage({ rateLimit: { burst: 1_000, windowMs: 10_000 } });
  const ids = CHANNELS.map((name) => stage.append(name, 60));
  if (followed) {
    const other = await stage.client({ role: 'LANDLORD' });
    other.send({ type: 'SUBSCRIBE', property_id: '1' });
    await stage.clock.advance(100);
  }
  stage.redis.away = true;
  stage.bus.cut('gateway');
  await stage.clock.advance(100);
  const client = comeBack(stage, Object.fromEntries(CHANNELS.map((name, n) => [name, ids[n]?.[0]])));
  await stage.clock.advance(20_000);
  const told = client.take().filter(({ channel, type }) => type !== 'PING' && !String(channel).startsWith('role:'));
  expect(told.slice(2)).toMatchObject(
    CHANNELS.map((channel) => ({ type: 'ERROR', code: 'unavailable', channel, retry_after_ms: 700 })),
  );
  expect(told).toHaveLength(4);
  stage.redis.away = false;
  await stage.clock.advance(5_000);
  for (const [n, name] of CHANNELS.entries()) ids[n]?.push(...stage.append(name));
  await stage.clock.advance(100);
  expect(eventsOf(client.take())).toEqual(ids.map((all) => all.slice(1)));
});

it('while the user has had as much replayed as allowed, and told once', async () => {
  const budgets = { replays: undefined as ReturnType<typeof createBudgets> | undefined };
  const stage = createStage({
    replays: {
      take: (...args) => budgets.replays?.take(...args) ?? 0,
      charge: (...args) => budgets.replays?.charge(...args),
    },
  });
  budgets.replays = createBudgets({ burst: 10, windowMs: 10_000 }, stage.clock.now);
  const ids = CHANNELS.map((name) => stage.append(name, 5));
  const other = await stage.client({ role: 'LANDLORD' });
  other.send({ type: 'SUBSCRIBE', property_id: '1' });
  await stage.clock.advance(100);
  budgets.replays.charge('landlord-7', 13);
  const client = comeBack(stage, Object.fromEntries(CHANNELS.map((name, n) => [name, ids[n]?.[0]])));
  await stage.clock.advance(1_000);
  for (const [n, name] of CHANNELS.entries()) ids[n]?.push(...stage.append(name));
  await stage.clock.advance(1_000);
  const told = client.take().filter(({ type }) => type === 'ERROR');
  expect(told).toMatchObject(CHANNELS.map((channel) => ({ code: 'rate_limited', channel })));
  await stage.clock.advance(20_000);
  for (const [n, name] of CHANNELS.entries()) ids[n]?.push(...stage.append(name));
  await stage.clock.advance(100);
  const frames = client.take();
  expect(eventsOf(frames)).toEqual(ids.map((all) => all.slice(1)));
  expect(frames.filter(({ type }) => type === 'ERROR')).toEqual([]);
});

it('a client that goes meanwhile leaves nothing behind', async () => {
  const stage = createStage();
  stage.redis.away = true;
  const client = comeBack(stage, {});
  await stage.clock.advance(3_000);
  client.session.end(CLOSE_CODES.goingAway);
  await stage.clock.advance(20_000);
  expect(stage.hub.channels.size).toBe(0);
});
