/**
 * What happens to reports when the master that holds the intake is failed over, its last entries are lost, and the clock of
 * the new one is behind. A test cannot set Redis' clock back, so it has the ids go ahead of it: what is lost is an hour
 * ahead, what Redis gives by itself is of now.
 */
import { type Connection, connect } from '@belfry/shared/log';
import { createLogger, systemClock } from '@belfry/shared/service';
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { CLEAN } from './audit.test-support.js';
import { createIntakeDoor } from './door.js';
import { createIntakeFloor } from './floor.js';
import { compareIds, millisecondsOf } from './id.js';
import { auditAll, createReporter, startTestIntake } from './intake.test-support.js';
import { withIntakeScripts } from './scripts.js';

const PROPERTIES = Array.from({ length: 10 }, (_, n) => `101265000${n}`);
const CLEAN_ALL = { channels: CLEAN, global: CLEAN };
const STREAM = 'belfry:intake';
const HOUR_MS = 3_600_000;

let redis: TestRedis;
const opened: { stop(): unknown }[] = [];
beforeEach(async () => {
  redis = await startRedis();
  opened.push(redis);
});
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.stop();
});

/** Ids go on from here by an hour. */
async function goAhead(): Promise<void> {
  const connection = redis.connect();
  const id = await connection.xadd(STREAM, `${Date.now() + HOUR_MS}-0`, 'a', '1');
  await connection.xdel(STREAM, String(id));
}

/** As a replica that had nothing of the intake, and everything of the channels, which lay on another master. */
async function failOver(): Promise<void> {
  await redis.connect().del(STREAM);
  await redis.restart({ keepData: true });
}

describe('a new master of the intake whose clock is behind', () => {
  async function scenario(floorless: boolean) {
    await goAhead();
    const intake = startTestIntake({ url: redis.url, floorless });
    opened.push(intake);
    const reporter = createReporter(redis, PROPERTIES);
    await reporter.report(100);
    const before = await auditAll(redis, reporter.accepted);
    await failOver();
    await eventually('shares set back', () => intake.seen.rewound >= 4);
    await reporter.report(100);
    const after = await auditAll(redis, reporter.accepted, floorless ? { deadlineMs: 2_000 } : {});
    return { intake, before, after };
  }

  it('takes nothing new for a repetition of what it lost', async () => {
    const { after, before, intake } = await scenario(false);
    expect(before).toMatchObject(CLEAN_ALL);
    expect(after).toMatchObject(CLEAN_ALL);
    expect(intake.seen).toMatchObject({ raised: 1, dead: [] });
  });

  it('would, if its ids were left as they are', async () => {
    const { after } = await scenario(true);
    expect(after).toMatchObject({ channels: { lost: 100, doubled: 0, reordered: 0 } });
  });
});

it('tells ids apart to their last digit', async () => {
  const connection = withIntakeScripts(redis.connect());
  const ms = Date.now() + HOUR_MS;
  await connection.xadd(STREAM, `${ms}-9007199254740992`, 'a', '1');
  let raised = 0;
  const onRaised = (): void => {
    raised += 1;
  };
  const floor = createIntakeFloor({ stream: STREAM, logger: createLogger('test', 'silent'), onRaised });
  floor.reached(`${ms}-9007199254740992`);
  await floor.keep(connection);
  expect(raised).toBe(0);
  floor.reached(`${ms}-9007199254740993`);
  await floor.keep(connection);
  expect(raised).toBe(1);
});

describe('the door', () => {
  function openDoor() {
    const connection: Connection = connect({ url: redis.url, name: 'door', resend: false, onError: () => undefined });
    opened.push({ stop: () => connection.disconnect() });
    let raised = 0;
    const onRaised = (): void => {
      raised += 1;
    };
    const logger = createLogger('test', 'silent');
    const floor = createIntakeFloor({ stream: STREAM, logger, onRaised });
    const options = {
      floor,
      connection,
      prefix: 'belfry',
      clock: systemClock,
      waitMs: 2_000,
      replicas: 0,
      replicasMs: 0,
    };
    const door = createIntakeDoor(options);
    return { door, raised: () => raised };
  }
  const reports = PROPERTIES.map((property_id) => ({ change: { property_id, violation_type: 'HPD', count: 1 } }));
  const inOrder = (ids: readonly string[]) =>
    expect(ids.every((id, n) => n === 0 || compareIds(ids[n - 1] as string, id) < 0)).toBe(true);

  it('writes behind whatever it wrote before the failover, from the very next report on', async () => {
    const { door, raised } = openDoor();
    await goAhead();
    const before = await door.accept(reports);
    await failOver();
    const after = await eventually('the next report', () => door.accept(reports).catch(() => undefined));
    inOrder([...before, ...after]);
    expect(raised()).toBe(1);
    expect(await redis.connect().xlen(STREAM)).toBe(reports.length);
  });

  it('leaves ids alone that are ahead of the clock and lost nothing, or behind which the clock has gone', async () => {
    const { door, raised } = openDoor();
    const now = await door.accept(reports);
    await failOver();
    const later = await eventually('the next report', () => door.accept(reports).catch(() => undefined));
    await goAhead();
    const ahead = await door.accept(reports);
    const further = await door.accept(reports);
    inOrder([...now, ...later, ...ahead, ...further]);
    expect(millisecondsOf(further.at(-1) as string)).toBe(millisecondsOf(ahead[0] as string));
    expect(raised()).toBe(0);
  });

  it('writes all reports or none, and says why, where Redis is full', async () => {
    const { door } = openDoor();
    const connection = redis.connect();
    await door.accept(reports);
    await connection.config('SET', 'maxmemory', '1');
    await expect(door.accept(reports)).rejects.toThrow(/^Redis has not confirmed it: OOM /);
    await connection.config('SET', 'maxmemory', '0');
    expect(await connection.xlen(STREAM)).toBe(reports.length);
  });

  it('writes to a Redis that does not know its script yet, or any more', async () => {
    const { door } = openDoor();
    const connection = redis.connect();
    const before = await door.accept(reports);
    await connection.script('FLUSH');
    inOrder([...before, ...(await door.accept(reports))]);
    expect(await connection.xlen(STREAM)).toBe(2 * reports.length);
  });
});
