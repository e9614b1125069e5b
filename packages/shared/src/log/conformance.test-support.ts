/** The rules of the channel log, as tests that any implementation has to pass: the one in Redis, the one in memory. */
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { comparePositions, formatPosition, type Position, parsePosition } from '../protocol/index.js';
import type { AppendEntry, ChannelReading, LogKeeper, LogReader, LogWriter } from './log.js';
import type { Retention } from './retention.js';

export interface LogUnderTest {
  /** Another one after a failover: ask anew. */
  readonly log: LogReader & LogWriter & LogKeeper;
  /** Every frame published so far, in order. Resolves when there are at least `count`. */
  published(count: number): Promise<readonly { readonly channel: string; readonly frame: string }[]>;
  generations(): Promise<readonly string[]>;
  /** A restart that keeps all data. */
  restart(): Promise<void>;
  /** A failover that loses what `write` writes. */
  failover(write: () => Promise<void>): Promise<void>;
  flush(): Promise<void>;
  forget(channel: string, key: 'log' | 'meta'): Promise<void>;
  /** Lets `OUTLIVED_MS`, or that part of it, pass for what expires. */
  outlive(part?: number): Promise<void>;
  close(): Promise<void>;
}

/** Longer than any test takes: what expires does so where `outlive` says so. */
export const CONFORMANCE_RETENTION: Retention = {
  maxEvents: 5,
  maxGlobalEvents: 8,
  logTtlSeconds: 600,
  snapshotTtlSeconds: 0,
  idempotencyTtlSeconds: 600,
};
/** More than both of its times, and the tenth that keys may have on top. */
export const OUTLIVED_MS = 1_150 * CONFORMANCE_RETENTION.logTtlSeconds;

const P = 'property:1012650001';

export function describeLog(name: string, start: () => Promise<LogUnderTest>): void {
  let subject: LogUnderTest;
  let serial = 0;
  beforeEach(async () => {
    subject = await start();
    serial = 0;
  });
  afterEach(() => subject.close());

  const entry = (count: number, key?: string, more: Partial<AppendEntry> = {}): AppendEntry => {
    serial += 1;
    const events = Array.from({ length: count }, (_, n) => ({ key, body: `{"type":"T","n":"${serial}.${n}"}` }));
    return { intakeId: `1000-${serial}`, events, ...more };
  };
  async function append(channel: string, ...entries: AppendEntry[]): Promise<Position[]> {
    const outcome = await subject.log.append({ channel, lane: 0, entries });
    if (outcome.status !== 'ok') throw new Error(`refused: ${outcome.status}`);
    return outcome.results.flatMap((ids) => ids ?? []).map((id) => parsePosition(id) as Position);
  }
  const appendOne = async (channel: string, key?: string) => (await append(channel, entry(1, key)))[0] as Position;
  const read = (channel: string, from?: Position, last = 0, snapshot: 'always' | 'broken' | 'never' = 'never') =>
    subject.log.read(channel, { from, last, snapshot });
  const ids = (reading: ChannelReading) => reading.entries.map(({ position }) => formatPosition(position));

  describe(`${name}: positions`, () => {
    it('gives a channel on which nothing was ever published a position that stays', async () => {
      expect(await subject.log.positions([P])).toEqual([undefined]);
      const first = await read(P, undefined, 10);
      expect(first.position.offset).toBe(0);
      expect(first.entries).toEqual([{ position: first.position, frame: undefined }]);
      expect((await read(P)).position).toEqual(first.position);
      expect(await subject.log.positions([P, 'user:nobody'])).toEqual([first.position, undefined]);
    });

    it('counts up by one inside an epoch, from 0 or from behind the mark', async () => {
      expect((await append(P, entry(2), entry(1))).map(({ offset }) => offset)).toEqual([0, 1, 2]);
      const { position: mark } = await read('user:7');
      expect(await append('user:7', entry(2))).toEqual([
        { ...mark, offset: 1 },
        { ...mark, offset: 2 },
      ]);
    });

    it('publishes each event once, in order, as the very frame that is read later', async () => {
      await append(P, entry(2, 'HPD'), entry(1));
      const published = await subject.published(3);
      const { entries } = await read(P, undefined, 10);
      expect(published).toEqual(entries.map(({ frame }) => ({ channel: P, frame })));
      expect(JSON.parse(published[0]?.frame ?? '')).toMatchObject({
        id: formatPosition(entries[0]?.position as Position),
      });
    });
  });

  describe(`${name}: reading`, () => {
    it('is continuous behind any entry that the log still has, and from its end', async () => {
      const [first, second, third] = (await append(P, entry(3))) as [Position, Position, Position];
      expect(await read(P, first, 0)).toMatchObject({ continuous: true, position: third });
      expect(ids(await read(P, first, 0))).toEqual([second, third].map(formatPosition));
      expect(await read(P, third, 10)).toMatchObject({ continuous: true, entries: [] });
    });

    it('is continuous behind the mark of a channel that was silent', async () => {
      const { position: mark } = await read(P);
      const event = await appendOne(P);
      expect(await read(P, mark)).toMatchObject({ continuous: true, position: event });
    });

    it('is not continuous behind what was trimmed, and never returns a part as if it were', async () => {
      const positions = await append(P, entry(7));
      const [, trimmed, oldest] = positions as [Position, Position, Position];
      expect(await read(P, trimmed)).toMatchObject({ continuous: false, entries: [] });
      expect((await read(P, oldest)).entries).toHaveLength(4);
      expect(ids(await read(P, undefined, 100))).toEqual(positions.slice(2).map(formatPosition));
    });

    it('is not continuous behind a position from the future or of another epoch', async () => {
      const { epoch, offset } = await appendOne(P);
      for (const from of [
        { epoch, offset: offset + 1 },
        { epoch: epoch + 1, offset: 0 },
        { epoch: epoch - 1, offset },
      ]) {
        expect(await read(P, from, 1)).toMatchObject({ continuous: false, entries: [{ position: { epoch, offset } }] });
      }
    });

    it('brings the last entries instead, each once, behind a position that stands between two of them', async () => {
      const before = await append(P, entry(2));
      await subject.restart();
      const positions = [...before, ...(await append(P, entry(2)))];
      const { epoch } = before[0] as Position;
      for (const from of [
        { epoch, offset: 2 },
        { epoch: epoch - 1, offset: 0 },
      ]) {
        expect(await read(P, from)).toMatchObject({ continuous: false, entries: [] });
        const { continuous, entries } = await read(P, from, 3);
        expect(continuous).toBe(false);
        expect(entries.map(({ position }) => position)).toEqual(positions.slice(-3));
      }
    });

    it('brings the snapshot, true for the position, when asked to or when continuity is lost', async () => {
      await append(P, entry(2, 'HPD'), entry(1, 'DOB'), entry(1));
      const { entries, snapshot } = await read(P, undefined, 10, 'always');
      const [, hpd, dob, keyless] = entries.map(({ frame }) => frame);
      expect([...(snapshot ?? [])].sort()).toEqual([hpd, dob].sort());
      expect(keyless).toBeDefined();
      const end = entries.at(-1)?.position as Position;
      expect((await read(P, end, 0, 'broken')).snapshot).toBeUndefined();
      expect((await read(P, { ...end, offset: 99 }, 0, 'broken')).snapshot).toHaveLength(2);
      expect((await read(P, { ...end, offset: 99 }, 0, 'never')).snapshot).toBeUndefined();
      expect((await read('user:7', undefined, 0, 'always')).snapshot).toEqual([]);
    });

    it('takes an entry out of the snapshot for an event that removes its key, and leaves the others', async () => {
      await append(P, entry(1, 'HPD'), entry(1, 'DOB'));
      const removal = entry(1, 'HPD');
      await append(P, { ...removal, events: removal.events.map((event) => ({ ...event, removes: true })) });
      const { entries, snapshot } = await read(P, undefined, 10, 'always');
      expect(entries).toHaveLength(3);
      expect(snapshot).toEqual([entries[1]?.frame]);
      const facts = { channel: P, lane: 0, idempotencyKeys: [], fields: ['HPD', 'DOB'] };
      expect((await subject.log.facts({ ...facts, from: 'snapshot' })).values).toEqual([undefined, entries[1]?.frame]);
      expect((await subject.log.facts(facts)).values).toEqual([undefined, undefined]);
    });

    it('keeps more of `global`', async () => {
      await append('global', entry(10));
      expect((await read('global', undefined, 100)).entries).toHaveLength(8);
    });
  });

  describe(`${name}: appending`, () => {
    it('drops an entry that was applied before, and applies the others of the call', async () => {
      const first = entry(1, 'HPD');
      await append(P, first);
      const second = entry(2);
      expect(await subject.log.append({ channel: P, lane: 0, entries: [first, second] })).toMatchObject({
        status: 'ok',
        results: [undefined, [expect.any(String), expect.any(String)]],
      });
      expect((await read(P, undefined, 10)).entries).toHaveLength(3);
      await subject.published(3);
    });

    it.each([
      ['9-1', '10-0'],
      ['1000-9', '1000-10'],
      ['1000-9007199254740992', '1000-9007199254740993'],
      ['1000-18446744073709551614', '1000-18446744073709551615'],
      ['9007199254740992-1', '9007199254740993-0'],
    ])('tells ids apart to their last digit: %s comes before %s', async (earlier, later) => {
      const [before, after] = [entry(1, undefined, { intakeId: earlier }), entry(1, undefined, { intakeId: later })];
      expect(await append(P, before)).toHaveLength(1);
      expect(await append(P, after)).toHaveLength(1);
      expect(await append(P, before, after)).toEqual([]);
    });

    it('applies an entry once, however many append it at once', async () => {
      const request = { channel: P, lane: 0, entries: [entry(1)] };
      const outcomes = await Promise.all(Array.from({ length: 100 }, () => subject.log.append(request)));
      const applied = outcomes.filter((outcome) => outcome.status === 'ok' && outcome.results[0] !== undefined);
      expect(applied).toHaveLength(1);
      expect((await read(P, undefined, 10)).entries).toHaveLength(1);
    });

    it('refuses a call that was worked out against another position of the lane, and leaves nothing of it', async () => {
      const [first, second, third] = [entry(1), entry(1), entry(1, 'HPD', { facts: { a: '1' } })];
      await append(P, first, second);
      const conflict = await subject.log.append({ channel: P, lane: 0, expected: first.intakeId, entries: [third] });
      expect(conflict).toEqual({ status: 'conflict', applied: second.intakeId });
      expect((await read(P, undefined, 10, 'always')).entries).toHaveLength(2);
      expect((await subject.log.facts({ channel: P, lane: 0, fields: ['a'], idempotencyKeys: [] })).values).toEqual([
        undefined,
      ]);
      const request = { channel: P, lane: 0, expected: second.intakeId, entries: [second, third, entry(1)] };
      expect(await subject.log.append(request)).toMatchObject({ status: 'ok' });
    });

    it('lets lanes pass each other', async () => {
      const late = entry(1);
      await append(P, entry(1));
      expect(await subject.log.append({ channel: P, lane: 1, entries: [late] })).toMatchObject({
        results: [[expect.any(String)]],
      });
    });

    it('moves the lane on for an entry without events, and begins no epoch for it', async () => {
      const silent = entry(0, undefined, { facts: { open: '3' } });
      expect(await subject.log.append({ channel: P, lane: 0, entries: [silent] })).toEqual({
        status: 'ok',
        epochChanged: false,
        results: [[]],
      });
      expect(await subject.log.positions([P])).toEqual([undefined]);
      expect(await subject.log.facts({ channel: P, lane: 0, fields: ['open'], idempotencyKeys: [] })).toEqual({
        applied: silent.intakeId,
        values: ['3'],
        seen: [],
      });
    });

    it('sets and deletes facts, and remembers idempotency keys for their time', async () => {
      await append(P, entry(0, undefined, { facts: { a: '1', b: '2' }, idempotencyKey: 'k' }));
      await append(P, entry(0, undefined, { facts: { a: '' } }));
      const ask = { channel: P, lane: 0, fields: ['a', 'b'], idempotencyKeys: ['k', 'other'] };
      expect(await subject.log.facts(ask)).toMatchObject({ values: [undefined, '2'], seen: [true, false] });
      await subject.outlive();
      expect(await subject.log.facts(ask)).toMatchObject({ values: [undefined, '2'], seen: [false, false] });
    });

    it('brings nothing for an entry whose key was seen before, where nothing is expected', async () => {
      const first = entry(1, 'a', { idempotencyKey: 'k' });
      const again = entry(2, 'b', { idempotencyKey: 'k', facts: { a: '1' } });
      const other = entry(1, 'a', { idempotencyKey: 'l' });
      const last = entry(1);
      await append(P, first);
      const sent = { channel: P, lane: 0, entries: [first, again, other, last] };
      expect(await subject.log.append(sent)).toMatchObject({
        status: 'ok',
        results: [undefined, [], [expect.any(String)], [expect.any(String)]],
      });
      expect(ids(await read(P, undefined, 10))).toHaveLength(3);
      const ask = { channel: P, lane: 0, fields: ['a'], idempotencyKeys: [] };
      expect(await subject.log.facts(ask)).toMatchObject({ applied: last.intakeId, values: [undefined] });
      await subject.outlive();
      expect(await append(P, entry(1, 'a', { idempotencyKey: 'k' }))).toHaveLength(1);
    });

    it('takes the word of who says where the lane stands for a key not having been seen', async () => {
      const first = entry(1, undefined, { idempotencyKey: 'k' });
      await append(P, first);
      const again = entry(1, undefined, { idempotencyKey: 'k' });
      const sent = { channel: P, lane: 0, expected: first.intakeId, entries: [again] };
      expect(await subject.log.append(sent)).toMatchObject({ status: 'ok', results: [[expect.any(String)]] });
    });

    it('finds the frames that an entry brought before', async () => {
      const [first, second] = [entry(2), entry(1)];
      await append(P, first, second);
      const frames = (await read(P, undefined, 10)).entries.map(({ frame }) => frame);
      expect(await subject.log.applied(P, [first.intakeId, '9-9'])).toEqual(
        new Map([[first.intakeId, frames.slice(0, 2)]]),
      );
    });
  });

  describe(`${name}: epochs`, () => {
    it('begin anew after a restart, once per channel, and history stays continuous where nothing was lost', async () => {
      const before = await appendOne(P);
      await subject.restart();
      const outcome = await subject.log.append({ channel: P, lane: 0, entries: [entry(2)] });
      expect(outcome).toMatchObject({ status: 'ok', epochChanged: true });
      expect(await subject.log.append({ channel: P, lane: 0, entries: [entry(1)] })).toMatchObject({
        epochChanged: false,
      });
      const reading = await read(P, before);
      expect(reading.continuous).toBe(true);
      expect(reading.entries.map(({ position }) => position.offset)).toEqual([0, 1, 2]);
      expect(reading.position.epoch).toBeGreaterThan(before.epoch);
    });

    it('refuse an append that relies on another generation, unless it was applied before', async () => {
      const [first, second] = [entry(1), entry(1)];
      const generations = await subject.generations();
      const request = { channel: P, lane: 0, generations };
      expect(await subject.log.append({ ...request, entries: [first] })).toMatchObject({ status: 'ok' });
      await subject.restart();
      expect(await subject.log.append({ ...request, entries: [first] })).toMatchObject({ results: [undefined] });
      const [generation] = await subject.generations();
      expect(generation).not.toBe(generations[0]);
      expect(await subject.log.append({ ...request, entries: [second] })).toEqual({ status: 'fenced', generation });
      expect((await read(P, undefined, 10)).entries).toHaveLength(1);
      const known = [...generations, generation as string];
      expect(await subject.log.append({ ...request, generations: known, entries: [second] })).toMatchObject({
        status: 'ok',
        epochChanged: true,
      });
    });

    it('never give the position of a lost event to another one', async () => {
      const kept = await appendOne(P, 'HPD');
      let lost: Position[] = [];
      await subject.failover(async () => {
        lost = await append(P, entry(3, 'HPD'));
      });
      serial = 1;
      const after = await append(P, entry(3, 'HPD'));
      expect(after.every((position) => comparePositions(position, kept) > 0)).toBe(true);
      for (const position of lost) expect(await read(P, position)).toMatchObject({ continuous: false });
      expect((await read(P, kept)).entries).toHaveLength(3);
    });

    it('begin later than before when everything is lost', async () => {
      const before = await appendOne(P, 'HPD');
      await subject.flush();
      expect(await subject.log.positions([P])).toEqual([undefined]);
      const after = await read(P, before, 10, 'broken');
      expect(after).toMatchObject({ continuous: false, snapshot: [] });
      expect(comparePositions(after.position, before)).toBeGreaterThan(0);
      serial = 0;
      expect(await appendOne(P)).toEqual({ epoch: after.position.epoch, offset: 1 });
    });

    it('begin anew when the log is gone and its meta is not, read first or not', async () => {
      for (const readFirst of [true, false]) {
        const before = await append(P, entry(3));
        await subject.forget(P, 'log');
        if (readFirst) await read(P);
        const after = await append(P, entry(4));
        const [last] = before.slice(-1) as [Position];
        expect(comparePositions(after[0] as Position, last)).toBeGreaterThan(0);
        expect((after[0] as Position).epoch).toBeGreaterThan(last.epoch);
        for (const position of before) expect((await read(P, position)).continuous).toBe(false);
      }
    });

    it('go on behind the log when its meta is gone', async () => {
      const before = await appendOne(P);
      await subject.forget(P, 'meta');
      const after = await appendOne(P);
      expect(after.epoch).toBeGreaterThan(before.epoch);
      expect(ids(await read(P, before))).toEqual([formatPosition(after)]);
    });
  });

  describe(`${name}: expiry`, () => {
    it('drops a silent channel’s log, keeps a property’s snapshot, and forgets a person’s', async () => {
      const before = await appendOne(P, 'HPD');
      await appendOne('user:7', 'notice');
      await subject.outlive();
      expect(await subject.log.positions([P, 'user:7'])).toEqual([undefined, undefined]);
      const property = await read(P, before, 0, 'broken');
      expect(property).toMatchObject({ continuous: false, snapshot: [expect.stringContaining('"n":"1.0"')] });
      expect(comparePositions(property.position, before)).toBeGreaterThan(0);
      expect((await read('user:7', undefined, 0, 'always')).snapshot).toEqual([]);
    });

    it('keeps what somebody follows: its position goes on being one to follow from', async () => {
      const silent = await read('user:8');
      const before = await appendOne('user:7', 'notice');
      for (let n = 0; n < 4; n += 1) {
        await subject.outlive(0.4);
        await subject.log.keep(['user:7', 'user:8', 'user:9']);
      }
      expect(await subject.log.positions(['user:7', 'user:8', 'user:9'])).toEqual([before, silent.position, undefined]);
      expect((await read('user:7', undefined, 0, 'always')).snapshot).toHaveLength(1);
      const after = await appendOne('user:8');
      expect(await read('user:8', silent.position)).toMatchObject({ continuous: true, position: after });
    });
  });
}
