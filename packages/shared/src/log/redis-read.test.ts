/** What a reading costs Redis. */
import { once } from 'node:events';
import { startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { formatPosition, type Position, parsePosition } from '../protocol/index.js';
import { type Connection, connect } from './connection.js';
import { channelKeys } from './keys.js';
import { createRedisLog } from './redis-log.js';

const P = 'property:1012650001';
const EVENTS = 5;

let redis: TestRedis;
let connection: Connection;
beforeAll(async () => {
  redis = await startRedis();
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
});
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

it('a position that the log does not hold costs a look at that place, and none at what follows it', async () => {
  const retention = {
    maxEvents: EVENTS,
    maxGlobalEvents: EVENTS,
    logTtlSeconds: 7_200,
    snapshotTtlSeconds: 0,
    idempotencyTtlSeconds: 60,
  };
  const log = createRedisLog({ connection, prefix: 'belfry', retention });
  const events = Array.from({ length: EVENTS + 2 }, (_, n) => ({ key: undefined, body: `{"n":${n}}` }));
  const outcome = await log.append({ channel: P, lane: 0, entries: [{ intakeId: '1-1', events }] });
  const ids = (outcome.status === 'ok' && outcome.results[0]) || [];
  const positions = ids.map((id) => parsePosition(id) as Position);

  const monitor = await redis.connect().monitor();
  /** The ranges of the log that a reading looks at. */
  async function rangesOf(from: Position, last = 0): Promise<string[]> {
    const seen: string[][] = [];
    const see = (_time: string, args: string[]) => void seen.push(args);
    monitor.on('monitor', see);
    await log.read(P, { from, last, snapshot: 'never' });
    const end = `the end of ${formatPosition(from)}`;
    await connection.echo(end);
    while (!seen.some((args) => args[1] === end)) await once(monitor, 'monitor');
    monitor.off('monitor', see);
    const { log: key } = channelKeys('belfry', P);
    return seen.flatMap(([command, name, ...range]) => {
      return /^x(rev)?range$/i.test(command ?? '') && name === key ? [range.join(' ')] : [];
    });
  }

  const newest = '+ - COUNT 1';
  const trimmed = ids[1] as string;
  const held = ids[3] as string;
  expect(await rangesOf(positions[1] as Position)).toEqual([newest, `${trimmed} ${trimmed} COUNT 1`]);
  expect(await rangesOf(positions[1] as Position, 100)).toEqual([
    newest,
    `${trimmed} ${trimmed} COUNT 1`,
    '+ - COUNT 100',
  ]);
  expect(await rangesOf(positions[3] as Position)).toEqual([newest, `${held} ${held} COUNT 1`, `(${held} +`]);
  monitor.disconnect();
});
