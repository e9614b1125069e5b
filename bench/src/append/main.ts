/**
 * What the publisher costs over the bare append script: `npm run bench:append -- --events 200000`. All append the same
 * events to the same Redis, in turns, several times over. The publisher reads them from the intake stream, checks them,
 * detects, and appends each event to `global` as well.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startProcess, startPublisher, startRedis, type TestRedis } from '@belfry/testkit';
import { changeAt, type Shape } from './shape.js';

const { values } = parseArgs({
  options: {
    events: { type: 'string', default: '200000' },
    properties: { type: 'string', default: '5000' },
    rounds: { type: 'string', default: '3' },
  },
});
const shape: Shape = { events: Number(values.events), properties: Number(values.properties) };
const rounds = Number(values.rounds);
if (![shape.events, shape.properties, rounds].every((n) => Number.isInteger(n) && n > 0)) {
  throw new Error('--events, --properties and --rounds must be whole numbers above 0');
}

const CHUNK = 1_000;
/** The first events pay for starting and compiling: the rate is that of the rest. */
const WARM_UP = 0.1;
/** As the publisher's image has it; both contestants run with it. */
const NODE_OPTIONS = '--max-semi-space-size=64';
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
async function publisherRate(redis: TestRedis): Promise<number> {
  await redis.connect().flushall();
  await fillIntake(redis);
  const connection = redis.connect();
  const publisher = await startPublisher({
    REDIS_URL: redis.url,
    NODE_OPTIONS,
    LOG_LEVEL: 'info',
    SOURCES_ENABLED: 'false',
    ALERTS_ENABLED: 'false',
  });
  try {
    const warm = await reached(shape.events * WARM_UP);
    const done = await reached(shape.events);
    return ((done.appended - warm.appended) / (done.at - warm.at)) * 1_000;
  } finally {
    await publisher.stop();
  }

  /** When so many events were on `global`, to which each event comes last. */
  async function reached(wanted: number): Promise<{ at: number; appended: number }> {
    const deadline = performance.now() + DEADLINE_MS;
    for (;;) {
      const appended = await addedTo(connection, 'belfry:{global}:log');
      const at = performance.now();
      if (appended >= wanted) return { at, appended };
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

async function bareRate(redis: TestRedis, body: string, together: boolean): Promise<number> {
  await redis.connect().flushall();
  const bare = await startProcess(fileURLToPath(new URL('./bare.js', import.meta.url)), {
    REDIS_URL: redis.url,
    NODE_OPTIONS,
    EVENTS: String(shape.events),
    PROPERTIES: String(shape.properties),
    BODY: body,
    TOGETHER: String(together),
  });
  const line = await bare.logged(({ msg }) => msg === 'appended', { deadlineMs: DEADLINE_MS });
  await bare.exited;
  return Number(line.per_second);
}

const median = (numbers: readonly number[]): number =>
  [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
const show = (rate: number): string => Math.round(rate).toLocaleString('en').padStart(9);

const redis = await startRedis();
const rates = { publisher: [] as number[], alone: [] as number[], together: [] as number[] };
try {
  for (let round = 1; round <= rounds; round += 1) {
    const publisher = await publisherRate(redis);
    const body = await lastBody(redis);
    const alone = await bareRate(redis, body, false);
    const together = await bareRate(redis, body, true);
    rates.publisher.push(publisher);
    rates.alone.push(alone);
    rates.together.push(together);
    console.log(
      `round ${round}: publisher ${show(publisher)}/s   bare ${show(alone)}/s   bare, together ${show(together)}/s   event ${body.length} bytes`,
    );
  }
} finally {
  await redis.stop();
}
const publisher = median(rates.publisher);
const ratio = (reference: readonly number[]) => `${((publisher / median(reference)) * 100).toFixed(0)} %`.padStart(6);
console.log(`
events per second, median of ${rounds} rounds of ${shape.events.toLocaleString('en')} events on ${shape.properties.toLocaleString('en')} properties
publisher, intake to log and global    ${show(publisher)}
append script, one call an event       ${show(median(rates.alone))}   publisher at ${ratio(rates.alone)}
append script, several channels a call ${show(median(rates.together))}   publisher at ${ratio(rates.together)}`);
