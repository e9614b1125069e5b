/** How much one read brings, on a real Redis: the publisher's memory has to hold all of it. */
import { type Connection, connect, LogUnavailable } from '@belfry/shared/log';
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { type IntakeEntry, lengthOf } from './entry.js';
import { FIRST_ID } from './id.js';
import { createIntakeReader, type IntakeReader } from './reader.js';
import { withIntakeScripts } from './scripts.js';

const STREAM = 'belfry:intake';
const SMALL = 300;
const LARGE = 1_000_000;
const MOST_AT_ONCE = 4_000_000;
const FIRST_AWAITED = 8;

let redis: TestRedis;
const opened: Connection[] = [];
beforeAll(async () => {
  redis = await startRedis();
});
afterEach(async () => {
  for (const connection of opened.splice(0)) connection.disconnect();
  await redis.connect().flushall();
});
afterAll(() => redis.stop());

function open(): IntakeReader {
  const connection = connect({ url: redis.url, name: 'reader', resend: false, onError: () => undefined });
  opened.push(connection);
  return createIntakeReader(withIntakeScripts(connection), STREAM);
}

/** In one transaction: who waits for entries is given all of them. */
async function add(count: number, length: number): Promise<void> {
  const transaction = redis.connect().multi();
  for (let n = 0; n < count; n += 1) transaction.xadd(STREAM, '*', 'change', 'x'.repeat(length));
  await transaction.exec();
}

/** Everything behind `after`, read by read. */
async function readOn(reader: IntakeReader, after: string): Promise<(readonly IntakeEntry[])[]> {
  const reads: (readonly IntakeEntry[])[] = [];
  for (let from = after; ; ) {
    const { entries } = await reader.read(from, 1);
    if (entries.length === 0) return reads;
    reads.push(entries);
    from = (entries.at(-1) as IntakeEntry).id;
  }
}
const idsOf = (reads: readonly (readonly IntakeEntry[])[]) => reads.flat().map(({ id }) => id);
const lengths = (reads: readonly (readonly IntakeEntry[])[]) =>
  reads.map((entries) => entries.reduce((sum, entry) => sum + lengthOf(entry), 0));
const allIds = async () => (await redis.connect().xrange(STREAM, '-', '+')).map(([id]) => id);

describe('one read', () => {
  it('brings 256 small entries, and every entry once and in order', async () => {
    await add(1_000, SMALL);
    const reads = await readOn(open(), FIRST_ID);
    expect(reads.map(({ length }) => length)).toEqual([256, 256, 256, 232]);
    expect(idsOf(reads)).toEqual(await allIds());
  });

  it('brings four megabytes at most, also where large entries are behind small ones', async () => {
    await add(600, SMALL);
    await add(20, LARGE);
    await add(10, SMALL);
    const reads = await readOn(open(), FIRST_ID);
    expect(Math.max(...lengths(reads))).toBeLessThanOrEqual(MOST_AT_ONCE);
    expect(idsOf(reads)).toEqual(await allIds());
  });

  it('brings no more after a jump back from the end', async () => {
    await add(20, LARGE);
    const reader = open();
    const [first] = (await readOn(reader, FIRST_ID))[0] as [IntakeEntry];
    await add(1, SMALL);
    expect((await reader.read((await allIds()).at(-2) as string, 1)).entries).toHaveLength(1);
    const again = await readOn(reader, first.id);
    expect(Math.max(...lengths(again))).toBeLessThanOrEqual(MOST_AT_ONCE);
    expect(again.flat()).toHaveLength(20);
  });

  it('brings an entry that is larger by itself', async () => {
    await add(1, SMALL);
    await add(2, MOST_AT_ONCE + 1);
    expect((await readOn(open(), FIRST_ID)).map(({ length }) => length)).toEqual([1, 1, 1]);
  });

  it('brings more and more small ones of those that come once the end is reached', async () => {
    const reader = open();
    expect((await reader.read(FIRST_ID, 1)).entries).toEqual([]);
    await add(1_000, SMALL);
    expect((await readOn(reader, FIRST_ID)).map(({ length }) => length)).toEqual([8, 16, 32, 64, 128, 256, 256, 240]);
  });

  it('brings a few of those that come while it waits, and the others by their size', async () => {
    const reader = open();
    expect((await reader.read(FIRST_ID, 1)).entries).toEqual([]);
    const waiting = reader.read(FIRST_ID, 60_000);
    await add(30, LARGE);
    const { entries } = await waiting;
    expect(entries).toHaveLength(FIRST_AWAITED);
    const reads = await readOn(reader, (entries.at(-1) as IntakeEntry).id);
    expect(Math.max(...lengths(reads))).toBeLessThanOrEqual(MOST_AT_ONCE);
    expect(idsOf([entries, ...reads])).toEqual(await allIds());
  });

  it('fails as what passes by itself where the stream is not ours, and reads on once it is', async () => {
    const reader = open();
    await redis.connect().set(STREAM, 'foreign');
    await expect(reader.read(FIRST_ID, 1)).rejects.toThrow(LogUnavailable);
    await redis.connect().del(STREAM);
    await add(1, SMALL);
    expect((await reader.read(FIRST_ID, 1)).entries).toHaveLength(1);
  });
});
