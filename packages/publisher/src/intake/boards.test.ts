/** What services do to a board, through the whole intake on a real Redis. */
import type { LogWriter } from '@belfry/shared/log';
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { shareOf } from '../leases/shares.js';
import { SHARES, startTestIntake, type TestIntake, type TestIntakeOptions } from './intake.test-support.js';

let redis: TestRedis;
const running: TestIntake[] = [];
beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((intake) => intake.stop()));
  await redis.connect().flushall();
});
afterAll(() => redis.stop());

function start(options: Omit<TestIntakeOptions, 'url'> = {}): TestIntake {
  const intake = startTestIntake({ url: redis.url, ...options });
  running.push(intake);
  return intake;
}

type Update = { readonly [form in 'document' | 'patch']?: Record<string, unknown> } & { readonly removed?: true };
const update = (key: string, what: Update) => ({ channel: 'state:tasks', type: 'STATE_UPDATE', key, ...what });
const add = (events: object | readonly object[], ...more: string[]) =>
  redis.connect().xadd('belfry:intake', '*', 'event', JSON.stringify(events), ...more);
const logged = (n: number) =>
  eventually(`${n} events`, async () => (await redis.connect().xlen('belfry:{state:tasks}:log')) >= n);
async function documents(): Promise<Record<string, unknown>> {
  const snapshot = await redis.connect().hgetall('belfry:{state:tasks}:snapshot');
  return Object.fromEntries(Object.entries(snapshot).map(([key, frame]) => [key, JSON.parse(frame).document]));
}

it('sets, patches and removes documents: the snapshot holds whole ones', async () => {
  start();
  await add(update('a', { document: { status: 'open', cost: 1, plan: { by: 'x' } } }));
  await add(update('a', { patch: { cost: 2, plan: { to: 'y' } } }));
  await add(update('b', { patch: { status: 'new' } }));
  await add([update('c', { document: {} }), update('a', { patch: { status: null } }), update('c', { removed: true })]);
  await logged(6);
  expect(await documents()).toEqual({ 'event:a': { cost: 2, plan: { to: 'y' } }, 'event:b': { status: 'new' } });
  // A key that was removed is patched from nothing.
  await add(update('a', { removed: true }));
  await add(update('a', { patch: { again: true } }));
  await logged(8);
  expect((await documents())['event:a']).toEqual({ again: true });
});

it('applies every patch once, though calls to Redis fail after they had their effect', async () => {
  let calls = 0;
  const faults = (log: LogWriter): LogWriter => ({
    ...log,
    async append(request) {
      const outcome = await log.append(request);
      calls += 1;
      if (calls % 2 === 1) throw new Error('the answer was lost');
      return outcome;
    },
  });
  start({ faults, batchSize: 7 });
  for (let n = 0; n < 100; n += 1) await add(update('list', { patch: { [`n${n}`]: n, last: n } }), 'key', `k${n % 90}`);
  const expected = Object.fromEntries(Array.from({ length: 90 }, (_, n) => [`n${n}`, n]));
  await logged(90);
  expect(await documents()).toEqual({ 'event:list': { ...expected, last: 89 } });
  expect(await redis.connect().xlen('belfry:{state:tasks}:log')).toBe(90);
});

it('puts a patch aside that would make a document too long, and goes on', async () => {
  const intake = start();
  const long = 'x'.repeat(9_000);
  await add(update('a', { document: { one: long } }));
  await add(update('a', { patch: { two: long } }));
  await add(update('a', { patch: { three: 3 } }));
  await eventually('a dead letter', () => intake.seen.dead.length === 1);
  await logged(2);
  expect(intake.seen.dead[0]?.reason).toContain('longer than 15000 characters');
  expect(await documents()).toEqual({ 'event:a': { one: long, three: 3 } });
});

it('keeps nothing else of an entry from global whose patch it puts aside', async () => {
  const intake = start();
  const long = 'x'.repeat(9_000);
  // One that lies in the same share, and so in the same hands.
  const isBeside = (channel: string) => shareOf(channel, SHARES) === shareOf('state:tasks', SHARES);
  const property = Array.from({ length: 100 }, (_, n) => `property:${n}`).find(isBeside) as string;
  const note = (n: number) => ({ channel: property, type: 'note', data: { n } });
  await add(update('a', { document: { one: long } }));
  const id = await add([note(1), update('a', { patch: { two: long } })]);
  await add(note(2));
  await eventually('the next event on global', async () => (await onGlobal()).some(({ data }) => data.n === 2));
  expect((await onGlobal()).map(({ data }) => data.n)).toEqual([1, 2]);
  expect(await redis.connect().xlen(`belfry:{${property}}:log`)).toBe(2);
  expect(intake.seen.dead).toEqual([{ id, reason: expect.stringContaining('longer than 15000 characters') }]);
});

async function onGlobal(): Promise<{ readonly data: { readonly n: number } }[]> {
  const rows = await redis.connect().xrange('belfry:{global}:log', '-', '+');
  return rows.map(([, fields]) => JSON.parse(fields[1] ?? ''));
}
