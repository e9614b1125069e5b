/** What comes again under its idempotency key has no effect; what comes under a key that is forgotten has. */
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { addEntry, eventsIn, startTestIntake, type TestIntake } from './intake.test-support.js';

let redis: TestRedis;
let intake: TestIntake;

beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  await intake.stop();
  await redis.connect().flushall();
});
afterAll(() => redis.stop());

function start(): void {
  intake = startTestIntake({ url: redis.url });
}

const add = (...fields: string[]) => addEntry(redis, ...fields);
const change = (property: string, count: number) =>
  JSON.stringify({ property_id: property, violation_type: 'HPD', count });
const note = (count: number) => JSON.stringify({ channel: 'property:1', type: 'note', count });
const eventsOf = (channel: string, n: number) => eventsIn(redis, channel, n);
const countsOf = async (channel: string, n: number) => (await eventsOf(channel, n)).map(({ count }) => count);

describe('what is reported with an idempotency key', () => {
  it('has an effect once, however often it comes with the same key', async () => {
    start();
    const event = JSON.stringify({ channel: 'user:42', type: 'application_submitted' });
    for (const key of ['k1', 'k1', 'k2', 'k1']) await add('event', event, 'key', key);
    await eventsOf('user:42', 2);
    // In a later batch too.
    await add('event', event, 'key', 'k2');
    await add('event', event, 'key', 'k3');
    expect(await eventsOf('user:42', 3)).toHaveLength(3);
  });

  it('has an effect once, on its channel and on global, where it comes again with its key later', async () => {
    start();
    await add('event', note(1), 'key', 'k1');
    await eventsOf('global', 1);
    for (const key of ['k1', 'k2', 'k1', 'k2', 'k3']) await add('event', note(2), 'key', key);
    await eventsOf('property:1', 3);
    expect(await countsOf('global', 3)).toEqual([1, 2, 2]);
    await add('event', note(4));
    expect(await countsOf('property:1', 4)).toEqual([1, 2, 2, 4]);
    expect(await countsOf('global', 4)).toEqual([1, 2, 2, 4]);
  });

  it('has an effect under a key that is forgotten, also in one batch with the entry that was applied under it', async () => {
    start();
    await add('event', note(1), 'key', 'k');
    await eventsOf('global', 1);
    await intake.stop();
    const connection = redis.connect();
    await connection.del(...(await connection.keys('*:checkpoint')), ...(await connection.keys('*:key:k')));
    await add('event', note(2), 'key', 'k');
    start();
    expect(await countsOf('property:1', 2)).toEqual([1, 2]);
    expect(await countsOf('global', 2)).toEqual([1, 2]);
  });

  it('under a key that its channel has had is taken for the one before, whatever it says; on another channel it is not', async () => {
    start();
    await add('change', change('1', 3), 'key', 'used');
    await eventsOf('property:1', 1);
    await add('change', change('1', 5), 'key', 'used');
    await add('event', JSON.stringify({ channel: 'property:1', type: 'note' }), 'key', 'used');
    await add('change', change('2', 5), 'key', 'used');
    await add('change', change('1', 7), 'key', 'new');
    expect(await countsOf('property:1', 2)).toEqual([3, 7]);
    expect(await countsOf('property:2', 1)).toEqual([5]);
    expect(await redis.connect().exists('belfry:intake:dead')).toBe(0);
  });
});
