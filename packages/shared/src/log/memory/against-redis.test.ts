/** Random histories, lived through by Redis and by the log in memory at once: both must give the same answers. */
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { formatPosition, type Position, parsePosition } from '../../protocol/index.js';
import { systemClock } from '../../service/index.js';
import { connect } from '../connection.js';
import type { AppendRequest, ChannelReading, LogReader, LogWriter, ReadRequest } from '../log.js';
import { createRedisLog } from '../redis-log.js';
import { createMemoryLog } from './memory-log.js';
import { createMemoryStore } from './memory-store.js';
import { createSeededRandom, type SeededRandom } from './random.js';

const RETENTION = {
  maxEvents: 6,
  maxGlobalEvents: 9,
  logTtlSeconds: 7_200,
  snapshotTtlSeconds: 0,
  idempotencyTtlSeconds: 60,
};
const CHANNELS = ['property:1', 'user:7', 'global'];
const HISTORIES = 40;
const STEPS = 60;

let redis: TestRedis;
beforeAll(async () => {
  redis = await startRedis();
});
afterAll(() => redis.stop());

/** Epochs are times: each is named by the order in which its channel showed it. */
function createNames() {
  const known = new Map<string, number[]>();
  const seen = (channel: string): readonly number[] => known.get(channel) ?? [];
  const nameOf = (channel: string, epoch: number): number => {
    if (!seen(channel).includes(epoch)) known.set(channel, [...seen(channel), epoch]);
    return seen(channel).indexOf(epoch);
  };
  const idIn = (channel: string, text: string) =>
    text.replace(/(\d{13,})-(\d+)/g, (_, epoch, offset) => `E${nameOf(channel, Number(epoch))}-${offset}`);
  return { idIn, seen };
}

type Log = LogReader & LogWriter;
type Step = (log: Log, names: ReturnType<typeof createNames>) => Promise<unknown>;

function drawStep(random: SeededRandom, channel: string, serial: number): Step {
  const kind = random.below(10);
  if (kind < 5) return appendStep(random, channel, serial);
  if (kind < 9) return readStep(random, channel);
  return (log) => log.facts({ channel, lane: 0, fields: ['a', 'b'], idempotencyKeys: ['k0', 'k1'] });
}

function appendStep(random: SeededRandom, channel: string, serial: number): Step {
  const first = Math.max(1, serial - random.below(4));
  const request: AppendRequest = {
    channel,
    lane: random.below(2),
    expected: random.chance(0.3) ? `5-${serial - random.below(2)}` : undefined,
    entries: Array.from({ length: 1 + random.below(3) }, (_, n) => ({
      intakeId: `5-${first + n}`,
      idempotencyKey: random.chance(0.3) ? `k${random.below(2)}` : undefined,
      events: Array.from({ length: random.below(4) }, (_event, e) => ({
        key: random.chance(0.7) ? `key-${random.below(3)}` : undefined,
        body: `{"type":"T","n":"${first + n}.${e}"}`,
      })),
      facts: random.chance(0.3) ? { [random.pick(['a', 'b'])]: random.pick(['', '1', '2']) } : undefined,
    })),
  };
  return (log) => log.append(request);
}

function readStep(random: SeededRandom, channel: string): Step {
  const epochBack = random.below(3);
  const offset = random.below(12);
  const last = random.below(8);
  const snapshot = random.pick(['always', 'broken', 'never'] as const);
  const anywhere = random.chance(0.8);
  return async (log, names) => {
    const epoch = names.seen(channel).at(-1 - epochBack);
    const from: Position | undefined = anywhere && epoch !== undefined ? { epoch, offset } : undefined;
    return plain(await log.read(channel, { from, last, snapshot } satisfies ReadRequest));
  };
}

/** Redis keeps a small hash in its own order. */
const plain = ({ position, continuous, entries, snapshot }: ChannelReading) => ({
  position: formatPosition(position),
  continuous,
  entries: entries.map((entry) => [formatPosition(entry.position), entry.frame]),
  snapshot: snapshot && [...snapshot].sort(),
});

it.each(Array.from({ length: HISTORIES }, (_, seed) => seed))('answers as Redis does (history %i)', async (seed) => {
  const connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
  await connection.flushall();
  const published: string[] = [];
  const store = createMemoryStore({
    now: Date.now,
    random: Math.random,
    retention: RETENTION,
    publish: (_channel, frame) => void published.push(frame),
  });
  const subjects = [
    { log: createRedisLog({ connection, prefix: 'belfry', retention: RETENTION }), names: createNames() },
    { log: createMemoryLog({ store, clock: systemClock }), names: createNames() },
  ] as const;
  try {
    const random = createSeededRandom(seed);
    for (let serial = 1; serial <= STEPS; serial += 1) {
      const channel = random.pick(CHANNELS);
      const step = drawStep(random, channel, serial);
      const answers: string[] = [];
      for (const { log, names } of subjects) answers.push(names.idIn(channel, JSON.stringify(await step(log, names))));
      expect(answers[1], `step ${serial}`).toBe(answers[0]);
    }
    expect(published.every((frame) => parsePosition(JSON.parse(frame).id))).toBe(true);
  } finally {
    connection.disconnect();
  }
});
