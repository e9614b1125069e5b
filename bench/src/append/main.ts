/**
 * What the publisher costs over the bare append script: `npm run bench:append -- --events 200000`. All append the same
 * events to the same Redis, in turns, several times over. The publisher reads them from the intake stream, checks them,
 * detects, and appends each event to `global` as well.
 */
import { fileURLToPath } from 'node:url';
import { serviceCommand, startProcess, startPublisher, startRedis, type TestRedis } from '@belfry/testkit';
import { readCommandLine, refuse } from '@belfry/testkit/command-line';
import { describeMachine } from '../machine/describe.js';
import { cpuSeconds } from '../machine/usage.js';
import { markdownTable, plainTable } from '../report/table.js';
import { type AppendResult, appendRows, type Measured, saveAppend, verdict } from './report.js';
import { changeAt, type Shape } from './shape.js';

const { values } = readCommandLine(
  {
    options: {
      events: { type: 'string', default: '200000' },
      properties: { type: 'string', default: '5000' },
      rounds: { type: 'string', default: '3' },
      /** Writes the table into docs/performance.md. */
      save: { type: 'boolean', default: false },
    },
  },
  'npm run bench:append -- [--events 200000] [--properties 5000] [--rounds 3] [--save]',
);
const shape: Shape = { events: Number(values.events), properties: Number(values.properties) };
const rounds = Number(values.rounds);
if (![shape.events, shape.properties, rounds].every((n) => Number.isInteger(n) && n > 0)) {
  refuse('--events, --properties and --rounds must be whole numbers above 0.');
}

const CHUNK = 1_000;
/** The first events pay for starting and compiling: the rate is that of the rest. */
const WARM_UP = 0.1;
const POLL_MS = 10;
const DEADLINE_MS = 300_000;

async function fillIntake(redis: TestRedis): Promise<void> {
  const connection = redis.connect();
  for (let start = 1; start <= shape.events; start += CHUNK) {
    const pipeline = connection.pipeline();
    for (let n = start; n < start + CHUNK && n <= shape.events; n += 1) {
      pipeline.xadd('belfry:intake', '*', 'change', changeAt(n, shape));
    }
    await pipeline.exec();
  }
}

/** Events that a publisher appends in a second, from when it is warm to the last one. */
async function measurePublisher(redis: TestRedis): Promise<Measured> {
  await redis.connect().flushall();
  await fillIntake(redis);
  const connection = redis.connect();
  const publisher = await startPublisher({
    REDIS_URL: redis.url,
    LOG_LEVEL: 'info',
    SOURCES_ENABLED: 'false',
    ALERTS_ENABLED: 'false',
  });
  try {
    const warm = await reached(shape.events * WARM_UP);
    const done = await reached(shape.events);
    const seconds = (done.at - warm.at) / 1_000;
    return { perSecond: (done.appended - warm.appended) / seconds, redis: (done.redis - warm.redis) / seconds };
  } finally {
    await publisher.stop();
  }

  /** When so many events were on `global`, to which each event comes last. */
  async function reached(wanted: number): Promise<{ at: number; appended: number; redis: number }> {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const appended = await addedTo(connection, 'belfry:{global}:log');
      const at = performance.now();
      if (appended >= wanted) return { at, appended, redis: cpuSeconds(redis.pid()) };
      if (at > deadline) throw new Error(`only ${appended} of ${wanted} events after ${DEADLINE_MS / 1_000} s`);
      await new Promise((resolve) => setTimeout(resolve, POLL_MS));
    }
  }
}

async function addedTo(connection: ReturnType<TestRedis['connect']>, stream: string): Promise<number> {
  if ((await connection.exists(stream)) === 0) return 0;
  const info = (await connection.xinfo('STREAM', stream)) as unknown[];
  return Number(info[info.indexOf('entries-added') + 1]);
}

/** What the publisher appended last, so that the bare script appends the like. */
async function lastBody(redis: TestRedis): Promise<string> {
  const [row] = await redis.connect().xrevrange('belfry:{global}:log', '+', '-', 'COUNT', 1);
  return row?.[1][1] ?? '';
}

const HOWS = ['alone', 'together', 'twice', 'plain'] as const;
type How = (typeof HOWS)[number];

async function measureBare(redis: TestRedis, body: string, how: How): Promise<Measured> {
  await redis.connect().flushall();
  const script = fileURLToPath(new URL('./bare.js', import.meta.url));
  const env = {
    REDIS_URL: redis.url,
    EVENTS: String(shape.events),
    PROPERTIES: String(shape.properties),
    BODY: body,
    HOW: how,
  };
  // With the publisher's options, so that both have the same young generation.
  const bare = await startProcess(script, env, serviceCommand('publisher').options);
  const before = cpuSeconds(redis.pid());
  const line = await bare.logged(({ msg }) => msg === 'appended', { deadlineMs: DEADLINE_MS });
  const used = cpuSeconds(redis.pid()) - before;
  await bare.exited;
  const perSecond = Number(line.per_second);
  return { perSecond, redis: (used * perSecond) / shape.events };
}

/** The round in the middle, by its rate. */
const median = (measured: readonly Measured[]): Measured =>
  [...measured].sort((a, b) => a.perSecond - b.perSecond)[Math.floor((measured.length - 1) / 2)] as Measured;

const all: Record<'publisher' | How, Measured[]> = { publisher: [], alone: [], together: [], twice: [], plain: [] };
const redis = await startRedis();
try {
  for (let round = 1; round <= rounds; round += 1) {
    all.publisher.push(await measurePublisher(redis));
    const body = await lastBody(redis);
    for (const how of HOWS) all[how].push(await measureBare(redis, body, how));
    const shown = Object.entries(all).map(
      ([name, list]) => `${name} ${Math.round(list.at(-1)?.perSecond ?? 0).toLocaleString('en')}/s`,
    );
    console.log(`round ${round}: ${shown.join('   ')}   event ${body.length} bytes`);
  }
} finally {
  await redis.stop();
}
const result: AppendResult = {
  events: shape.events,
  rounds,
  publisher: median(all.publisher),
  alone: median(all.alone),
  together: median(all.together),
  twice: median(all.twice),
  plain: median(all.plain),
};
const rows = appendRows(result);
console.log(`\n${plainTable(rows)}\n\n${verdict(result)}`);
if (values.save) {
  saveAppend(
    fileURLToPath(new URL('../../../docs/performance.md', import.meta.url)),
    result,
    describeMachine(),
    markdownTable(rows),
  );
}
