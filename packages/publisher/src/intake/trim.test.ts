import { type Connection, connect } from '@belfry/shared/log';
import { systemClock } from '@belfry/shared/service';
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createCheckpoints } from './checkpoints.js';
import { intakeKeys } from './keys.js';
import { withIntakeScripts } from './scripts.js';
import { trimIntake } from './trim.js';

const HOUR = 3_600_000;
const MINUTE = 60_000;
/** One entry a second for three hours, the last one at `NOW`. */
const NOW = 1_000 * HOUR;
const ENTRIES = 10_800;
const keys = intakeKeys('belfry');

let redis: TestRedis;
let connection: Connection;

beforeAll(async () => {
  redis = await startRedis();
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
});
afterEach(() => redis.connect().flushall());
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

async function trimmed(options: { positions: readonly number[]; shares?: number; maxEntries?: number }) {
  const pipeline = redis.connect().pipeline();
  for (let n = ENTRIES - 1; n >= 0; n -= 1) pipeline.xadd(keys.stream, `${NOW - n * 1_000}-1`, 'change', '{}');
  await pipeline.exec();
  const commands = withIntakeScripts(connection);
  const shares = options.shares ?? options.positions.length;
  const checkpoints = createCheckpoints({ commands, keys, shares, rewindMs: 5 * MINUTE });
  for (const [share, age] of options.positions.entries()) {
    await checkpoints.open(share, ['0123456789ab']);
    await checkpoints.advance(share, ['0123456789ab'], `${NOW - age}-1`);
  }
  await trimIntake({
    connection,
    stream: keys.stream,
    checkpoints,
    retentionMs: HOUR,
    rewindMs: 5 * MINUTE,
    maxEntries: options.maxEntries ?? 1_000_000,
    clock: { now: () => NOW, after: () => () => undefined, every: () => () => undefined },
  });
  return await redis.connect().xlen(keys.stream);
}

/** Redis removes whole nodes of its stream, of 100 entries each. */
const NODE = 100;

describe('the intake stream', () => {
  it('keeps its retention, however far everybody is', async () => {
    const left = await trimmed({ positions: [0, 0] });
    expect(left).toBeGreaterThanOrEqual(3_600);
    expect(left).toBeLessThanOrEqual(3_600 + NODE);
  });

  it('keeps everything behind the slowest checkpoint', async () => {
    const left = await trimmed({ positions: [0, 2 * HOUR] });
    expect(left).toBeGreaterThanOrEqual(7_200);
    expect(left).toBeLessThanOrEqual(7_200 + NODE);
  });

  it('keeps everything where a share was never opened', async () => {
    expect(await trimmed({ positions: [0], shares: 2 })).toBe(ENTRIES);
  });

  it('keeps what a rewind needs, though this publisher’s clock is a day ahead', async () => {
    const now = Date.now();
    const pipeline = redis.connect().pipeline();
    for (let n = 300; n > 0; n -= 1) pipeline.xadd(keys.stream, `${now - n * 1_000}-1`, 'change', '{}');
    await pipeline.exec();
    const commands = withIntakeScripts(connection);
    const checkpoints = createCheckpoints({ commands, keys, shares: 1, rewindMs: 5 * MINUTE });
    await checkpoints.open(0, ['0123456789ab']);
    await checkpoints.advance(0, ['0123456789ab'], `${now}-1`);
    const removed = await trimIntake({
      connection,
      stream: keys.stream,
      checkpoints,
      retentionMs: HOUR,
      rewindMs: 5 * MINUTE,
      maxEntries: 1,
      clock: { now: () => now + 24 * HOUR, after: () => () => undefined, every: () => () => undefined },
    });
    expect(removed).toBe(0);
  });

  it.each([
    ['worked off', 2_999, 1_000],
    ['worked off in part', 1_999, 2_000],
    ['fewer than may be', 900, 3_000],
  ])('does not grow without end while its ids are ahead of the clock: %s', async (_, reached, kept) => {
    const now = Date.now();
    const pipeline = redis.connect().pipeline();
    for (let n = 0; n < 3_000; n += 1) pipeline.xadd(keys.stream, `${now + HOUR}-${n + 1}`, 'change', '{}');
    await pipeline.exec();
    const checkpoints = createCheckpoints({
      commands: withIntakeScripts(connection),
      keys,
      shares: 1,
      rewindMs: 5 * MINUTE,
    });
    await checkpoints.open(0, ['0123456789ab']);
    await checkpoints.advance(0, ['0123456789ab'], `${now + HOUR}-${reached + 1}`);
    await trimIntake({
      connection,
      stream: keys.stream,
      checkpoints,
      retentionMs: HOUR,
      rewindMs: 5 * MINUTE,
      maxEntries: 1_000,
      clock: systemClock,
    });
    const left = await redis.connect().xlen(keys.stream);
    expect(left).toBeGreaterThanOrEqual(kept);
    expect(left).toBeLessThanOrEqual(kept + NODE);
  });

  it('keeps less when it holds too much, but never less than the rewind', async () => {
    expect(await trimmed({ positions: [0], maxEntries: ENTRIES / 2 })).toBeLessThanOrEqual(1_800 + NODE);
    await redis.connect().flushall();
    const least = await trimmed({ positions: [0], maxEntries: 1 });
    expect(least).toBeGreaterThanOrEqual(300);
    expect(least).toBeLessThanOrEqual(300 + NODE);
  });
});

describe('a checkpoint', () => {
  const open = () =>
    createCheckpoints({ commands: withIntakeScripts(connection), keys, shares: 1, rewindMs: 5 * MINUTE });
  const at = (ms: number) => `${NOW + ms}-3`;

  it('moves forward and never back', async () => {
    const checkpoints = open();
    expect(await checkpoints.open(0, ['a'])).toEqual({ position: '0-0', rewound: false });
    await checkpoints.advance(0, ['a'], at(10));
    await checkpoints.advance(0, ['a'], at(5));
    expect(await checkpoints.open(0, ['a'])).toEqual({ position: at(10), rewound: false });
  });

  it('tells positions apart to their last digit', async () => {
    const checkpoints = open();
    await checkpoints.open(0, ['a']);
    for (const sequence of ['9', '10', '9007199254740992', '9007199254740993']) {
      const position = `${NOW}-${sequence}`;
      await checkpoints.advance(0, ['a'], position);
      expect((await checkpoints.open(0, ['a'])).position).toBe(position);
    }
    await checkpoints.advance(0, ['a'], `${NOW}-9007199254740992`);
    expect((await checkpoints.open(0, ['a'])).position).toBe(`${NOW}-9007199254740993`);
  });

  it('is set back, once, under another generation, and no longer moved by who does not know it', async () => {
    const checkpoints = open();
    await checkpoints.open(0, ['a']);
    await checkpoints.advance(0, ['a'], at(0));
    const setBack = { position: `${NOW - 5 * MINUTE}-0`, rewound: true };
    expect(await checkpoints.open(0, ['b'])).toEqual(setBack);
    expect(await checkpoints.open(0, ['b'])).toEqual({ ...setBack, rewound: false });
    expect(await checkpoints.advance(0, ['a'], at(20))).toBe(false);
    expect(await checkpoints.advance(0, ['b'], at(20))).toBe(true);
  });
});
