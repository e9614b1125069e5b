/**
 * The append script and nothing else, as a process of its own. With `together` as the log sends it, several channels a
 * call; without, one call an event. The environment says what; a log line tells the rate.
 */
import { type AppendRequest, connect, createRedisLog, readGenerations } from '@belfry/shared/log';
import { createLogger } from '@belfry/shared/service';
import { propertyAt, type Shape } from './shape.js';

const { REDIS_URL = '', EVENTS, PROPERTIES, BODY = '', TOGETHER } = process.env;
const shape: Shape = { events: Number(EVENTS), properties: Number(PROPERTIES) };
/** More brings nothing: Redis is busy all the time. */
const IN_FLIGHT = 512;

const logger = createLogger('bare', 'info');
const connection = connect({
  url: REDIS_URL,
  name: 'bench',
  onError: (error) => {
    throw error;
  },
});
const log = createRedisLog({
  connection,
  prefix: 'bare',
  retention: {
    maxEvents: 128,
    maxGlobalEvents: 4096,
    logTtlSeconds: 604_800,
    snapshotTtlSeconds: 0,
    idempotencyTtlSeconds: 86_400,
  },
});
const known = await readGenerations(connection);

const request = (n: number): AppendRequest => ({
  channel: `property:${propertyAt(n, shape)}`,
  lane: 0,
  // Only appends that rely on the same generations go in one call: a copy of each keeps them apart.
  generations: TOGETHER === 'true' ? known : [...known],
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
    const { status } = await log.append(request(next));
    if (status !== 'ok') throw new Error(`append answered ${status}`);
  }
}

logger.info({ port: 0, operator_port: 0 }, 'listening');
const started = performance.now();
await Promise.all(Array.from({ length: IN_FLIGHT }, appendInTurn));
logger.info({ per_second: (shape.events / (performance.now() - started)) * 1_000 }, 'appended');
connection.disconnect();
