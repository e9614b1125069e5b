/** What is noted of what users may read, on a real Redis: it is what their newest token says, whatever it was shown for. */
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Connection, connect } from '../log/index.js';
import { createSeededRandom } from '../log/memory/index.js';
import type { Readable } from './concern.js';
import type { Preferences } from './preferences.js';
import { createPreferenceStore, type PreferenceStore } from './store.js';

let redis: TestRedis;
let connections: Connection[];
/** Two gateways. */
let stores: [PreferenceStore, PreferenceStore];

const PREFERENCES: Preferences = {
  email: 'a@example.org',
  rules: [{ id: 'all', properties: '*', min_severity: 'info', via: ['email'], digest: 'none' }],
};
const USER = 'landlord-7';
/** Seconds since 1970: some time ago. */
const T = Math.floor(Date.now() / 1_000) - 1_000;
const token = (after: number, readable: Readable, userId = USER) => ({
  userId,
  issuedAt: T + after,
  readable: () => readable,
});

beforeAll(async () => {
  redis = await startRedis();
  connections = ['a', 'b'].map((name) => connect({ url: redis.url, name, onError: () => undefined }));
});
beforeEach(async () => {
  await redis.connect().flushall();
  const [a, b] = connections.map((connection) => createPreferenceStore({ connection, prefix: 'belfry' }));
  stores = [a as PreferenceStore, b as PreferenceStore];
});
afterAll(async () => {
  for (const connection of connections) connection.disconnect();
  await redis.stop();
});

const readable = () => stores[0].access.read(USER);

describe('an older, wider token', () => {
  it('widens nothing by writing preferences', async () => {
    const [store] = stores;
    await store.write(token(20, ['1']), PREFERENCES);
    await store.write(token(10, ['1', '2']), PREFERENCES);
    expect(await readable()).toEqual(['1']);
    expect(await store.concernedBy('2')).toEqual(new Map());
    expect((await store.concernedBy('1')).get(USER)?.readable).toEqual(['1']);
  });

  it('widens nothing by writing a portfolio, which tells it what it may read instead', async () => {
    const { access } = stores[0];
    expect(await access.follow(token(20, ['1']))).toEqual(['1']);
    expect(await access.follow(token(10, 'all'))).toEqual(['1']);
    expect(await readable()).toEqual(['1']);
  });

  it('that wrote first gives way to the newer one, though that was issued before the writing', async () => {
    const [store] = stores;
    await store.write(token(10, ['1', '2']), PREFERENCES);
    await store.access.note([token(20, ['1'])]);
    expect(await readable()).toEqual(['1']);
  });

  it('counts not either where the newest one said the same as the one before it', async () => {
    const [store] = stores;
    await store.write(token(10, ['1', '2']), PREFERENCES);
    for (const narrow of [20, 30]) await store.access.note([token(narrow, ['1'])]);
    await store.access.note([token(25, ['1', '2'])]);
    expect(await readable()).toEqual(['1']);
  });
});

it('a newer, wider token widens, by being shown or by writing, and its user is found by what came', async () => {
  const [store] = stores;
  await store.write(token(10, ['1']), PREFERENCES);
  await store.access.note([token(20, ['1', '2'])]);
  expect([...(await store.concernedBy('2')).keys()]).toEqual([USER]);
  await store.write(token(30, ['1', '2', '3']), PREFERENCES);
  expect([...(await store.concernedBy('3')).keys()]).toEqual([USER]);
  await store.write(token(40, ['1', '2', '3', '4']), { rules: [] });
  for (const property of ['1', '2', '3', '4']) {
    expect(await redis.connect().exists(`belfry:{alerts}:users:${property}`)).toBe(0);
  }
});

it('a token that does not say when it was issued counts as issued now', async () => {
  const [store] = stores;
  await store.write({ ...token(0, ['1']), issuedAt: undefined }, PREFERENCES);
  await store.access.note([token(500, ['1', '2'])]);
  expect(await readable()).toEqual(['1']);
  await store.access.note([{ ...token(0, ['2']), issuedAt: undefined }]);
  expect(await readable()).toEqual(['2']);
});

it.each([1, 2, 3])(
  'the newest token stays, in whatever order two gateways are shown them at once: seed %i',
  async (seed) => {
    const random = createSeededRandom(seed);
    await stores[0].write(token(0, 'all'), PREFERENCES);
    const shown = Array.from({ length: 40 }, (_, n) => token(n + 1, random.chance(0.5) ? ['1'] : ['1', `2${n}`]));
    const newest = shown.at(-1);
    const order = shown.map((one) => ({ one, at: random() })).sort((a, b) => a.at - b.at);
    await Promise.all(
      order.map(({ one }) => {
        const store = random.pick([...stores]);
        return random.chance(0.5) ? store.access.note([one]) : store.write(one, PREFERENCES);
      }),
    );
    expect(await readable()).toEqual(newest?.readable());
    for (const property of (newest?.readable() ?? []) as readonly string[]) {
      expect([...(await stores[0].concernedBy(property)).keys()]).toEqual([USER]);
    }
  },
);
