/**
 * The append script and nothing else, as a process of its own. `alone`: one call an event. `together`: as the log sends it,
 * several channels a call. `twice`: so, and on `global` as well, as every change of a property has to be; no publisher
 * could be faster than that. `plain`: the same events without the script. The environment says which; a log line tells
 * the rate.
 */
import { type AppendRequest, connect, createRedisLog, readGenerations } from '@belfry/shared/log';
import { GLOBAL_CHANNEL } from '@belfry/shared/protocol';
import { createLogger } from '@belfry/shared/service';
import { appendPlainly } from './commands.js';
import { propertyAt, type Shape } from './shape.js';

const { REDIS_URL = '', EVENTS, PROPERTIES, BODY = '', HOW } = process.env;
const shape: Shape = { events: Number(EVENTS), properties: Number(PROPERTIES) };
/** More brings nothing: Redis is busy all the time. */
const IN_FLIGHT = 512;
const BATCHES_IN_FLIGHT = 4;
const BATCH = 256;
const ENTRIES_PER_CALL = 256;

const logger = createLogger('bare', 'info');
const connection = connect({
  url: REDIS_URL,
  name: 'bench',
  onError: (error) => {
    throw error;
  },
});
const retention = {
  maxEvents: 128,
  maxGlobalEvents: 4096,
  logTtlSeconds: 604_800,
  snapshotTtlSeconds: 0,
  idempotencyTtlSeconds: 86_400,
};
const log = createRedisLog({ connection, prefix: 'bare', retention });
const known = await readGenerations(connection);

const request = (n: number): AppendRequest => ({
  channel: `property:${propertyAt(n, shape)}`,
  lane: 0,
  // Only appends that rely on the same generations go in one call: a copy of each keeps them apart.
  generations: HOW === 'alone' ? [...known] : known,
  entries: [
    {
      intakeId: `1-${n}`,
      events: [{ key: 'violations:HPD', body: BODY }],
      facts: { HPD: `{"c":1,"o":["HPD-${n}",4]}` },
    },
  ],
});

let next = 0;
async function appendInTurn(): Promise<void> {
  while (next < shape.events) {
    next += 1;
    await append(request(next));
  }
}

/** Batch by batch: first every event on its channel, then all of them on `global`, each worker on a lane of its own. */
async function appendBatchesInTurn(lane: number): Promise<void> {
  while (next < shape.events) {
    const batch: AppendRequest[] = [];
    while (batch.length < BATCH && next < shape.events) {
      next += 1;
      batch.push(request(next));
    }
    await Promise.all(batch.map(append));
    for (let start = 0; start < batch.length; start += ENTRIES_PER_CALL) {
      const entries = batch.slice(start, start + ENTRIES_PER_CALL).flatMap(({ entries }) => entries);
      const bodies = entries.map(({ intakeId, events }) => ({
        intakeId,
        events: events.map(({ body }) => ({ key: undefined, body })),
      }));
      await append({ channel: GLOBAL_CHANNEL, lane, generations: known, entries: bodies });
    }
  }
}

async function appendPlainlyInTurn(): Promise<void> {
  while (next < shape.events) {
    const first = next + 1;
    next = Math.min(shape.events, next + BATCH);
    await appendPlainly(connection, [first, next], shape, { ...retention, body: BODY });
  }
}

async function append(one: AppendRequest): Promise<void> {
  const { status } = await log.append(one);
  if (status !== 'ok') throw new Error(`append answered ${status}`);
}

logger.info({ port: 0, operator_port: 0 }, 'listening');
const started = performance.now();
if (HOW === 'twice')
  await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, (_, lane) => appendBatchesInTurn(lane)));
else if (HOW === 'plain') await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, appendPlainlyInTurn));
else await Promise.all(Array.from({ length: IN_FLIGHT }, appendInTurn));
logger.info({ per_second: (shape.events / (performance.now() - started)) * 1_000 }, 'appended');
connection.disconnect();
