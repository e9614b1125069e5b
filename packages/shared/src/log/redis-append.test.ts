import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { CONFORMANCE_RETENTION } from './conformance.test-support.js';
import { type Connection, connect } from './connection.js';
import { type AppendRequest, ChannelBroken, type LogReader, type LogWriter } from './log.js';
import { createRedisLog } from './redis-log.js';

let redis: TestRedis;
let connection: Connection;
let log: LogReader & LogWriter;

beforeAll(async () => {
  redis = await startRedis();
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
  log = createRedisLog({ connection, prefix: 'belfry', retention: CONFORMANCE_RETENTION });
});
afterEach(() => redis.connect().flushall());
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

const append = (channel: string, ...bodies: string[]) =>
  log.append({
    channel,
    lane: 0,
    entries: bodies.map((body, n) => ({ intakeId: `1-${n + 1}`, events: [{ key: undefined, body }] })),
  });
const calls = async () => {
  const stats = await redis.connect().info('commandstats');
  return Number(/cmdstat_evalsha:calls=(\d+)/.exec(stats)?.[1] ?? 0);
};

describe('appends of one turn', () => {
  it('go to Redis together, and each gets its own answer', async () => {
    await append('property:0', '{"n":0}');
    await redis.connect().config('RESETSTAT');
    const channels = Array.from({ length: 100 }, (_, n) => `property:${n + 1}`);
    const outcomes = await Promise.all(channels.map((channel, n) => append(channel, `{"n":${n}}`)));
    expect(outcomes.every(({ status }) => status === 'ok')).toBe(true);
    expect(await calls()).toBe(4);
    for (const [n, channel] of channels.entries()) {
      const [row] = await redis.connect().xrange(`belfry:{${channel}}:log`, '-', '+');
      expect(row?.[1].slice(0, 2)).toEqual(['d', `{"n":${n}}`]);
    }
  });

  it('keep the order of calls for one channel', async () => {
    const request = (id: string) => ({
      channel: 'property:1',
      lane: 0,
      entries: [{ intakeId: id, events: [{ key: undefined, body: `{"i":"${id}"}` }] }],
    });
    await Promise.all(['1-1', '1-2', '1-3'].map((id) => log.append(request(id))));
    const rows = await redis.connect().xrange('belfry:{property:1}:log', '-', '+');
    expect(rows.map(([, fields]) => fields[3])).toEqual(['1-1', '1-2', '1-3']);
  });

  it('do not fail for what is wrong with one channel', async () => {
    await redis.connect().set('belfry:{property:2}:log', 'not a stream');
    const [one, two, three] = await Promise.allSettled(['1', '2', '3'].map((n) => append(`property:${n}`, '{"n":1}')));
    expect(one).toMatchObject({ status: 'fulfilled', value: { status: 'ok' } });
    expect(two).toMatchObject({ status: 'rejected', reason: expect.any(ChannelBroken) });
    expect(three).toMatchObject({ status: 'fulfilled', value: { status: 'ok' } });
    for (const n of ['1', '3']) expect(await redis.connect().xlen(`belfry:{property:${n}}:log`)).toBe(1);
  });

  it('are refused each by itself', async () => {
    await append('property:1', '{"n":1}', '{"n":2}');
    const [moved, fresh] = await Promise.all(
      ['property:1', 'property:2'].map((channel) =>
        log.append({ channel, lane: 0, expected: '0-0', entries: [{ intakeId: '9-9', events: [] }] }),
      ),
    );
    expect(moved).toEqual({ status: 'conflict', applied: '1-2' });
    expect(fresh).toMatchObject({ status: 'ok' });
  });
});

describe('a channel one of whose keys is not ours', () => {
  const everything: AppendRequest = {
    channel: 'property:1',
    lane: 0,
    entries: [
      { intakeId: '1-1', events: [], facts: { DOB: 'known' } },
      { intakeId: '1-2', events: [{ key: 'HPD', body: '{"n":2}' }], facts: { HPD: 'known' } },
    ],
  };
  const written = async () => {
    const keys = await redis.connect().keys('belfry:{property:1}:*');
    return Promise.all(keys.map(async (key) => [key, await redis.connect().type(key)]));
  };

  it.each(['log', 'meta', 'snapshot', 'facts'])('gets nothing at all of an append: %s', async (name) => {
    const foreign = `belfry:{property:1}:${name}`;
    await redis.connect().set(foreign, 'foreign');
    for (let attempt = 0; attempt < 3; attempt += 1)
      await expect(log.append(everything)).rejects.toThrow(ChannelBroken);
    expect(await written()).toEqual([[foreign, 'string']]);
    await redis.connect().del(foreign);
    expect(await log.append(everything)).toMatchObject({ status: 'ok' });
    expect(await redis.connect().xlen('belfry:{property:1}:log')).toBe(1);
  });

  it.each(['log', 'meta', 'snapshot', 'facts'])(
    'gets nothing of one more event, whatever comes first: %s',
    async (name) => {
      const foreign = `belfry:{property:1}:${name}`;
      await log.append(everything);
      await redis.connect().set(foreign, 'foreign');
      const keys = (await redis.connect().keys('belfry:{property:1}:*')).sort();
      const contents = () => Promise.all(keys.map((key) => redis.connect().dumpBuffer(key)));
      const before = await contents();
      const facts = { HPD: 'other' };
      const event = { events: [{ key: 'HPD', body: '{"n":3}' }], facts };
      for (const entries of [
        [{ ...event, intakeId: '2-1' }],
        [
          { events: [], facts, intakeId: '2-1' },
          { ...event, intakeId: '2-2' },
        ],
      ]) {
        await expect(log.append({ channel: 'property:1', lane: 0, entries })).rejects.toThrow(ChannelBroken);
        expect(await contents()).toEqual(before);
      }
    },
  );

  it('says so also where its facts and what was applied are asked for', async () => {
    await redis.connect().set('belfry:{property:1}:facts', 'foreign');
    const asked = { channel: 'property:1', lane: 0, fields: ['HPD'], idempotencyKeys: [] };
    await expect(log.facts(asked)).rejects.toThrow(ChannelBroken);
    await redis.connect().set('belfry:{property:1}:log', 'foreign');
    await expect(log.applied('property:1', ['1-1'])).rejects.toThrow(ChannelBroken);
  });

  it('goes on behind an entry of somebody else with a later id, also where that was taken away again', async () => {
    await append('property:1', '{"n":1}');
    const key = 'belfry:{property:1}:log';
    const later = `${Date.now() + 100_000}-7`;
    for (const id of [later, `${Date.now() + 200_000}-7`]) {
      await redis.connect().xadd(key, id, 'foreign', '1');
      if (id !== later) await redis.connect().xdel(key, id);
      const intakeId = `${id.split('-')[0]}-9`;
      const entry = { intakeId, events: [{ key: undefined, body: '{"n":2}' }] };
      expect(await log.append({ channel: 'property:1', lane: 0, entries: [entry] })).toMatchObject({
        status: 'ok',
        epochChanged: true,
        results: [[`${Number(id.split('-')[0]) + 1}-0`]],
      });
    }
    expect(await log.read('property:1', { from: undefined, last: 10, snapshot: 'never' })).toMatchObject({
      entries: [{ frame: expect.any(String) }, { frame: undefined }, { frame: expect.any(String) }, {}],
    });
  });

  it('is broken, and not away, where an entry of somebody else has an id that none can follow', async () => {
    await redis.connect().xadd('belfry:{property:1}:log', '18446744073709551615-1', 'foreign', '1');
    await expect(log.append(everything)).rejects.toThrow(ChannelBroken);
    for (const last of [0, 10]) {
      const reading = log.read('property:1', { from: undefined, last, snapshot: 'never' });
      await expect(reading).rejects.toThrow(ChannelBroken);
    }
  });

  it.each([
    '18446744073709551615-1',
    // 2 to the power of 53: nobody can read the positions of an epoch behind it.
    '9007199254740992-0',
  ])('gets nothing of an event behind %s, and is whole once that entry is taken away', async (id) => {
    const key = 'belfry:{property:1}:log';
    await redis.connect().xadd(key, id, 'foreign', '1');
    await expect(append('property:1', '{"n":1}')).rejects.toThrow(ChannelBroken);
    expect(await written()).toEqual([[key, 'stream']]);
    await redis.connect().del(key);
    expect(await append('property:1', '{"n":1}')).toMatchObject({ status: 'ok' });
  });

  it('does not keep the positions of others from being read', async () => {
    await append('property:1', '{"n":1}');
    await redis.connect().set('belfry:{property:2}:log', 'foreign');
    await append('property:3', '{"n":3}');
    expect(await log.positions(['property:1', 'property:2', 'property:3'])).toEqual([
      expect.objectContaining({ offset: 0 }),
      undefined,
      expect.objectContaining({ offset: 0 }),
    ]);
  });
});

describe('a log without entries', () => {
  const KEY = 'belfry:{property:1}:log';
  const next = async (intakeId: string) => {
    const entry = { intakeId, events: [{ key: undefined, body: '{"n":2}' }] };
    const outcome = await log.append({ channel: 'property:1', lane: 0, entries: [entry] });
    const id = outcome.status === 'ok' ? outcome.results[0]?.[0] : undefined;
    return (id ?? '').split('-').map(Number) as [epoch: number, offset: number];
  };

  it('goes on counting where the stream is there still', async () => {
    const [epoch] = await next('1-1');
    await redis.connect().xtrim(KEY, 'MAXLEN', 0);
    expect(await next('1-2')).toEqual([epoch, 1]);
  });

  it('begins an epoch where the stream is another one, and shows nobody a position of the last', async () => {
    const [epoch] = await next('1-1');
    await redis.connect().del(KEY);
    await redis.connect().xgroup('CREATE', KEY, 'foreign', '$', 'MKSTREAM');
    const [later, offset] = await next('1-2');
    expect(later).toBeGreaterThan(epoch);
    expect(offset).toBe(0);
    expect(await redis.connect().xrange(KEY, '-', '+')).toEqual([[`${later}-0`, expect.any(Array)]]);
    expect(await redis.connect().hget('belfry:{property:1}:meta', 'e')).toBe(String(later));
    expect(await next('1-3')).toEqual([later, 1]);
  });
});

describe('a new epoch on a master whose clock is an hour behind', () => {
  const ahead = Date.now() + 3_600_000;
  const KEYS = { log: 'belfry:{property:1}:log', meta: 'belfry:{property:1}:meta' };
  const state = { log: true, meta: true };

  it.each([
    ['log and meta', state],
    ['the log alone', { ...state, meta: false }],
    ['the meta alone', { ...state, log: false }],
  ])('is later than any that clients may know, where it has %s', async (_, { log: hasLog, meta: hasMeta }) => {
    const connection = redis.connect();
    if (hasLog) await connection.xadd(KEYS.log, `${ahead}-7`, 'd', '{"n":1}', 'i', `${ahead}-1`);
    // Of the master that was there before.
    if (hasMeta) await connection.hset(KEYS.meta, { e: String(ahead), g: '0123456789ab', v0: `${ahead}-1` });
    const entry = { intakeId: `${ahead}-2`, events: [{ key: undefined, body: '{"n":2}' }] };
    const outcome = await log.append({ channel: 'property:1', lane: 0, entries: [entry] });
    expect(outcome).toMatchObject({ status: 'ok', results: [[`${ahead + 1}-0`]] });
    // Who knows what the other master had, and this one has not, is told so.
    const lost = { epoch: ahead, offset: 8 };
    const reading = await log.read('property:1', { from: lost, last: 10, snapshot: 'broken' });
    expect(reading).toMatchObject({ continuous: false, position: { epoch: ahead + 1, offset: 0 } });
  });
});
