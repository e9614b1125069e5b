/** How long what an append writes stays in Redis, and that few appends have to say so. */
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type Connection, connect } from './connection.js';
import { channelKeys } from './keys.js';
import type { AppendEntry, NewEvent } from './log.js';
import { createRedisLog } from './redis-log.js';
import type { Retention } from './retention.js';

const DAY = 86_400;
const RETENTION: Retention = {
  maxEvents: 10,
  maxGlobalEvents: 10,
  logTtlSeconds: 7 * DAY,
  snapshotTtlSeconds: 0,
  idempotencyTtlSeconds: 60,
};
const USER = 'user:7';

let redis: TestRedis;
let connection: Connection;
beforeAll(async () => {
  redis = await startRedis();
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
});
afterEach(() => connection.flushall());
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

let serial = 0;
const logWith = (retention: Partial<Retention> = {}) =>
  createRedisLog({ connection, prefix: 'belfry', retention: { ...RETENTION, ...retention } });

async function append(entry: Partial<AppendEntry>, { channel = USER, log = logWith() } = {}): Promise<void> {
  serial += 1;
  const outcome = await log.append({ channel, lane: 0, entries: [{ intakeId: `1-${serial}`, events: [], ...entry }] });
  expect(outcome).toMatchObject({ status: 'ok' });
}
const notice: NewEvent = { key: 'notice', body: '{"n":1}' };
const event = { events: [notice] };
const removal = { events: [{ ...notice, removes: true }] };
const silent = { facts: { a: '1' } };

/** Seconds left of each key; -1 for ever, -2 not there. */
async function left(channel = USER) {
  const { log, meta, snapshot } = channelKeys('belfry', channel);
  const [l, m, s] = await Promise.all([log, meta, snapshot].map((key) => connection.pttl(key)));
  const inSeconds = (ms = 0) => (ms < 0 ? ms : ms / 1_000);
  return { log: inSeconds(l), meta: inSeconds(m), snapshot: inSeconds(s) };
}

/** Redis reads the time off its machine, so it is what lies before the channel that moves towards now. */
async function age(seconds: number): Promise<void> {
  const { log, meta, snapshot } = channelKeys('belfry', USER);
  for (const key of [log, meta, snapshot]) {
    const ms = await connection.pttl(key);
    if (ms >= 0) await connection.pexpire(key, ms - seconds * 1_000);
  }
  await connection.hincrby(meta, 'r', -seconds);
}

function expectWithin(all: Record<string, number>, ttl: number): void {
  for (const [key, seconds] of Object.entries(all)) {
    // A minute for the test's own time.
    expect(seconds, key).toBeGreaterThan(ttl - 60);
    expect(seconds, key).toBeLessThanOrEqual(ttl * 1.1);
  }
}

describe('while events go on', () => {
  it('keys have their whole time before them, and few events give it to them', async () => {
    await append(event);
    let given = 0;
    for (let n = 0; n < 50; n += 1) {
      await age(0.03 * RETENTION.logTtlSeconds);
      const before = await left();
      await append(event);
      const after = await left();
      expectWithin(after, RETENTION.logTtlSeconds);
      if (after.log > before.log) given += 1;
    }
    // Every fourth: 4 × 3 % are the first to be more than a tenth.
    expect(given).toBe(12);
  });

  it('a key that is shorter-lived than the others has its time, too', async () => {
    const log = logWith({ snapshotTtlSeconds: DAY });
    await append(event, { log });
    for (let n = 0; n < 10; n += 1) {
      await age(0.06 * DAY);
      await append(event, { log });
      const { snapshot, ...others } = await left();
      expectWithin({ snapshot }, DAY);
      expectWithin(others, RETENTION.logTtlSeconds);
    }
  });

  it.each([
    ['in another call', async () => [await append(removal), await append(event)]],
    ['in the same one', () => append({ events: [{ ...notice, removes: true }, notice] })],
  ])('a snapshot that was emptied and begun anew %s has its time', async (_, again) => {
    await append(event);
    await again();
    expectWithin(await left(), RETENTION.logTtlSeconds);
  });

  it.each(['log', 'snapshot'] as const)('the %s has its time where it was taken away', async (name) => {
    await append(event);
    await connection.del(channelKeys('belfry', USER)[name]);
    await append(event);
    expectWithin(await left(), RETENTION.logTtlSeconds);
  });

  it('a log that a gateway of an older release began where it was taken away has that of one with events', async () => {
    const { log, meta } = channelKeys('belfry', USER);
    await append(event);
    await connection.del(log);
    // Without a word of when the ttls are due.
    const epoch = String(Number(await connection.hget(meta, 'e')) + 1);
    await connection.hset(meta, 'e', epoch);
    await connection.xadd(log, `${epoch}-*`, 'm', '1');
    await connection.expire(log, DAY / 4);
    await append(event);
    expect((await left()).log).toBeGreaterThan(7 * DAY);
  });

  it('a log that a reader began where it was taken away has that of one with events', async () => {
    await append(event);
    await connection.del(channelKeys('belfry', USER).log);
    await logWith().read(USER, { from: undefined, last: 0, snapshot: 'never' });
    await append(event);
    expectWithin(await left(), RETENTION.logTtlSeconds);
  });
});

describe('changes that bring no event', () => {
  it('keep what tells them from repeated ones, and not the log', async () => {
    await append(event);
    await age(6 * DAY);
    const { log, snapshot } = await left();
    await append(silent);
    const after = await left();
    expectWithin({ meta: after.meta }, RETENTION.logTtlSeconds);
    expect(after.log).toBeLessThanOrEqual(log);
    expect(after.snapshot).toBeLessThanOrEqual(snapshot);
    await append(event);
    expectWithin(await left(), RETENTION.logTtlSeconds);
  });

  it('of a publisher with a shorter time leave the next event of another all of its own', async () => {
    await append(event);
    await append(silent, { log: logWith({ logTtlSeconds: DAY }) });
    await append(event);
    expectWithin(await left(), RETENTION.logTtlSeconds);
  });
});

describe('another setting', () => {
  it.each([DAY / 12, 30 * DAY])('holds from the next event on: %i s', async (logTtlSeconds) => {
    await append(event);
    await append(event, { log: logWith({ logTtlSeconds }) });
    expectWithin(await left(), logTtlSeconds);
  });

  it('for snapshots holds, too, also for ever', async () => {
    const channel = 'property:1';
    await append(event, { channel });
    expect(await left(channel)).toMatchObject({ snapshot: -1 });
    await append(event, { channel, log: logWith({ snapshotTtlSeconds: DAY }) });
    expectWithin({ snapshot: (await left(channel)).snapshot }, DAY);
    await append(event, { channel });
    expect(await left(channel)).toMatchObject({ snapshot: -1 });
  });
});
