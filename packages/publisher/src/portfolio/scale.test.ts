/** With hundreds of users of hundreds of properties, a change at one property concerns its holders, and nobody else. */
import { connect } from '@belfry/shared/log';
import { systemClock } from '@belfry/shared/service';
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { encodeFacts } from '../changes/facts.js';
import { createWatchList } from '../sources/watch-list.js';
import { createCounter } from './counter.js';
import { portfolioKeys } from './keys.js';
import { createPortfolioStore } from './store.js';

const USERS = 100;
const PROPERTIES = 500;
/** Of each user's, those that the next one has, too. */
const SHARED = 1;
const ERA = 'first';

let redis: TestRedis;
let connection: ReturnType<typeof connect>;

beforeAll(async () => {
  redis = await startRedis();
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
});
afterAll(async () => {
  connection?.disconnect();
  await redis?.stop();
});

const propertyAt = (n: number): string => `1${String(100_000 + n).padStart(9, '0')}`;
const portfolioOf = (user: number): string[] =>
  Array.from({ length: PROPERTIES }, (_, n) => propertyAt(user * (PROPERTIES - SHARED) + n));

async function commands(name: string): Promise<number> {
  const stats = await redis.connect().info('commandstats');
  return Number(new RegExp(`cmdstat_${name}:calls=(\\d+)`).exec(stats)?.[1] ?? 0);
}

it('a change is found by its property, and only that one is read again', async () => {
  const keys = portfolioKeys('belfry');
  const watchList = createWatchList(connection, 'belfry', Date.now);
  const store = createPortfolioStore({ connection, keys, watchList, clock: systemClock });
  const counter = createCounter({ connection, prefix: 'belfry', keys, clock: systemClock });
  for (let user = 0; user < USERS; user += 1) await store.write(`user-${user}`, portfolioOf(user));

  const common = portfolioOf(40).find((property) => portfolioOf(41).includes(property)) as string;
  const count = (user: number) => counter.count(`user-${user}`, portfolioOf(user), ERA);
  expect(await count(40)).toMatchObject({ properties: PROPERTIES, open_violations: 0 });
  await count(41);

  const facts = { count: 4, open: new Map(), severity: undefined };
  await connection.hset(`belfry:{property:${common}}:facts`, 'HPD', encodeFacts(facts));
  const readBefore = await commands('hgetall');
  const lookedUpBefore = await commands('smembers');
  const holders = await store.holdersOf([common]);
  expect([...holders.keys()].sort()).toEqual(['user-40', 'user-41']);
  for (const [user, held] of holders) await counter.forget(user, held, ERA);
  expect(await count(40)).toMatchObject({ open_violations: 4 });
  expect(await count(41)).toMatchObject({ open_violations: 4 });
  expect((await commands('hgetall')) - readBefore).toBe(2);
  expect((await commands('smembers')) - lookedUpBefore).toBe(1);
  // Parts are forgotten after five minutes, whatever happens.
  const left = await connection.pttl(keys.parts('user-40', ERA));
  expect(left).toBeGreaterThan(0);
  expect(left).toBeLessThanOrEqual(300_000);
});
