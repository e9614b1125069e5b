/** What the intake promises, under the faults that can be put into one process. Killed processes: e2e/publishers. */
import { LogUnavailable, type LogWriter } from '@belfry/shared/log';
import { deferred, eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { audit, CLEAN } from './audit.test-support.js';
import {
  addEntry,
  auditAll,
  createReporter,
  eventsIn,
  readLog,
  startTestIntake,
  type TestIntake,
  type TestIntakeOptions,
} from './intake.test-support.js';

const PROPERTIES = Array.from({ length: 20 }, (_, n) => `10126500${String(n).padStart(2, '0')}`);
const CLEAN_ALL = { channels: CLEAN, global: CLEAN };

let redis: TestRedis;
const running: TestIntake[] = [];

beforeAll(async () => {
  redis = await startRedis({ args: ['--enable-debug-command', 'yes'] });
});
afterEach(async () => {
  await Promise.all(running.splice(0).map((intake) => intake.stop()));
  await redis.connect().flushall();
});
afterAll(() => redis.stop());

function start(options: Omit<TestIntakeOptions, 'url'> = {}): TestIntake {
  const intake = startTestIntake({ url: redis.url, ...options });
  running.push(intake);
  return intake;
}

async function stop(intake: TestIntake): Promise<void> {
  running.splice(running.indexOf(intake), 1);
  await intake.stop();
}

const add = (...fields: string[]) => addEntry(redis, ...fields);
const change = (property: string, count: number) =>
  JSON.stringify({ property_id: property, violation_type: 'HPD', count });
const logOf = (channel: string) => readLog(redis, channel);
const eventsOf = (channel: string, n: number) => eventsIn(redis, channel, n);

describe('the auditor', () => {
  const accepted = new Map([['a', [1, 2, 3]]]);
  it.each([
    ['nothing', [1, 2, 3], CLEAN],
    ['a planted drop', [1, 3], { ...CLEAN, lost: 1 }],
    ['a planted double', [1, 2, 2, 3], { ...CLEAN, doubled: 1 }],
    ['a planted reorder', [1, 3, 2], { ...CLEAN, reordered: 1 }],
  ])('finds %s', (_, found, result) => {
    expect(audit(accepted, new Map([['a', found]]))).toMatchObject(result);
  });
});

describe('an accepted change', () => {
  it('is appended to its property’s channel and to global, once each and in order', async () => {
    start();
    const reporter = createReporter(redis, PROPERTIES);
    await reporter.report(2_000);
    expect(await auditAll(redis, reporter.accepted)).toMatchObject(CLEAN_ALL);
  });

  it('that changes nothing makes no event', async () => {
    start();
    for (const count of [3, 3, 4, 4, 3]) await add('change', change('1', count));
    await add('change', change('1', 9));
    const events = await eventsOf('property:1', 4);
    expect(events.map(({ count }) => count)).toEqual([3, 4, 3, 9]);
  });

  it('has its effect behind an id of somebody else whose sequence is longer than a number holds', async () => {
    start();
    await redis.connect().xadd('belfry:intake', '9999999999999-9007199254740994', 'change', change('1', 1));
    await eventsOf('property:1', 1);
    for (const count of [2, 3, 4]) await add('change', change('1', count));
    expect((await eventsOf('property:1', 4)).map(({ count }) => count)).toEqual([1, 2, 3, 4]);
    expect((await eventsOf('global', 4)).map(({ count }) => count)).toEqual([1, 2, 3, 4]);
  });

  it('comes once to global where it was sent there itself, among the events of properties', async () => {
    start();
    const notice = JSON.stringify({ channel: 'global', type: 'SYSTEM_NOTIFICATION' });
    await add('event', notice, 'key', 'n1');
    await add('change', change('1', 1));
    await add('event', notice, 'key', 'n1');
    await add('event', notice, 'key', 'n2');
    const types = (await eventsOf('global', 3)).map(({ type }) => type);
    expect(types.sort()).toEqual(['SYSTEM_NOTIFICATION', 'SYSTEM_NOTIFICATION', 'VIOLATION_UPDATE']);
  });

  it('may be one of many in an entry, for several properties and more than once for one', async () => {
    start();
    const many = [1, 2, 3, 4].flatMap((count) =>
      ['1', '2', '3'].map((property) => JSON.parse(change(property, count))),
    );
    await add('change', JSON.stringify(many), 'key', 'batch');
    await add('change', JSON.stringify(many), 'key', 'batch');
    for (const property of ['1', '2', '3']) {
      const events = await eventsOf(`property:${property}`, 4);
      expect(events.map(({ count }) => count)).toEqual([1, 2, 3, 4]);
    }
    expect(await eventsOf('global', 12)).toHaveLength(12);
  });

  it('keeps only its own snapshot entry up to date', async () => {
    start();
    await add('change', change('1', 3));
    await add('event', JSON.stringify({ channel: 'property:1', type: 'note', key: 'HPD' }));
    await add('change', change('1', 5));
    await eventsOf('property:1', 3);
    const snapshot = await redis.connect().hgetall('belfry:{property:1}:snapshot');
    expect(Object.keys(snapshot).sort()).toEqual(['event:HPD', 'violations:HPD']);
    expect(JSON.parse(snapshot['violations:HPD'] ?? '').count).toBe(5);
  });
});

describe('a dead letter', () => {
  it('keeps what can never succeed, with the reason, and holds up nothing else', async () => {
    const intake = start();
    const bad = [
      await add('change', '{"property_id":'),
      await add('change', '{"property_id":"1","violation_type":"HPD","count":-1}'),
      await add('note', 'hello'),
    ];
    await add('change', change('1', 1));
    await eventsOf('property:1', 1);
    await eventually('three dead letters', () => intake.seen.dead.length === 3);
    const rows = await redis.connect().xrange('belfry:intake:dead', '-', '+');
    const letters = new Map(rows.map(([, fields]) => [fields[3], { reason: fields[1], original: fields.slice(4) }]));
    expect([...letters.keys()].sort()).toEqual(bad.sort());
    expect(letters.get(bad[1])).toEqual({
      reason: expect.stringMatching(/^count: /),
      original: ['change', '{"property_id":"1","violation_type":"HPD","count":-1}'],
    });
  });

  it('is made of an entry whose key is no text: keys that differ would be read as one', async () => {
    const intake = start();
    for (const byte of [0xfe, 0xff]) {
      await redis.connect().xadd('belfry:intake', '*', 'change', change('1', byte), 'key', Buffer.from([byte]));
    }
    await add('change', change('1', 1), 'key', 'schlüssel');
    expect((await eventsOf('property:1', 1)).map(({ count }) => count)).toEqual([1]);
    await eventually('two dead letters', () => intake.seen.dead.length === 2);
    for (const { reason } of intake.seen.dead) expect(reason).toMatch(/^key: must be text/);
  });

  it('is made of an entry that fails for a reason of its own, not of those beside it', async () => {
    const intake = start({
      faults: (log) => ({
        ...log,
        append: (request) => {
          if (JSON.stringify(request.entries).includes('poison')) throw new TypeError('cannot do that');
          return log.append(request);
        },
      }),
    });
    await add('change', change('1', 1));
    const poison = await add('event', '{"channel":"property:1","type":"poison"}');
    await add('change', change('1', 2));
    expect((await eventsOf('property:1', 2)).map(({ count }) => count)).toEqual([1, 2]);
    await eventually('dead letter', () => intake.seen.dead.length > 0);
    expect(intake.seen.dead).toEqual([{ id: poison, reason: 'cannot be applied: cannot do that' }]);
  });

  it('is never made of what Redis could not do at the time', async () => {
    let failures = 12;
    const intake = start({ faults: (log) => failing(log, () => failures-- > 0) });
    const reporter = createReporter(redis, PROPERTIES);
    await reporter.report(100);
    expect(await auditAll(redis, reporter.accepted)).toMatchObject(CLEAN_ALL);
    expect(intake.seen.retries).toBeGreaterThan(0);
    expect(intake.seen.dead).toEqual([]);
  });
});

describe('a channel one of whose keys is not ours', () => {
  const [broken, sound] = PROPERTIES as [string, string];
  const foreign = `belfry:{property:${broken}}:log`;
  const others = PROPERTIES.slice(1);

  it('holds up no other: what it should have got is put aside, until the key is taken away', async () => {
    await redis.connect().set(foreign, 'foreign');
    const intake = start();
    const lost = [await add('change', change(broken, 1_001))];
    const reporter = createReporter(redis, others);
    await reporter.report(100);
    lost.push(await add('change', change(broken, 1_002)));
    expect(await auditAll(redis, reporter.accepted)).toMatchObject(CLEAN_ALL);
    await eventually('dead letters', () => intake.seen.dead.length >= 2);
    expect(intake.seen.dead.map(({ id }) => id)).toEqual(lost);
    for (const { reason } of intake.seen.dead) expect(reason).toMatch(/^cannot be applied: .*WRONGTYPE/);

    await redis.connect().del(foreign);
    await add('change', change(broken, 1_003));
    expect((await eventsOf(`property:${broken}`, 1)).map(({ count }) => count)).toEqual([1_003]);
  });

  it('takes nothing from those that share an entry with it, on their channels and on global', async () => {
    await redis.connect().set(foreign, 'foreign');
    const intake = start();
    const id = await add('change', `[${change(sound, 1)},${change(broken, 2)},${change(others.at(-1) ?? '', 3)}]`);
    await eventsOf('global', 2);
    expect((await logOf('global')).map(({ count }) => count).sort()).toEqual([1, 3]);
    expect(await logOf(`property:${sound}`)).toHaveLength(1);
    await eventually('dead letter', () => intake.seen.dead.length > 0);
    expect(intake.seen.dead.map((letter) => letter.id)).toEqual([id]);
  });

  it('may be global: properties get theirs', async () => {
    await redis.connect().set('belfry:{global}:log', 'foreign');
    const intake = start();
    const ids = [await add('change', change(sound, 1)), await add('change', change(sound, 2))];
    expect((await eventsOf(`property:${sound}`, 2)).map(({ count }) => count)).toEqual([1, 2]);
    await eventually('dead letters', () => intake.seen.dead.length === 2);
    expect(intake.seen.dead.map(({ id }) => id)).toEqual(ids);
  });
});

/** A log that fails where `fails` says so: half the time before, half the time after it was done. */
function failing(log: LogWriter, fails: () => boolean): LogWriter {
  const maybe = async <T>(call: () => Promise<T>): Promise<T> => {
    if (!fails()) return call();
    if (Math.random() < 0.5) await call();
    throw new LogUnavailable('a fault of the test');
  };
  return {
    append: (request) => maybe(() => log.append(request)),
    facts: (request) => maybe(() => log.facts(request)),
    applied: (channel, ids) => maybe(() => log.applied(channel, ids)),
  };
}

describe('a publisher that dies between a property’s channel and global', () => {
  it('leaves global to whoever comes next', async () => {
    const dies = start({
      faults: (log) => ({
        ...log,
        append: async (request) => {
          if (request.channel === 'global') throw new LogUnavailable('it never gets there');
          return log.append(request);
        },
      }),
    });
    const reporter = createReporter(redis, PROPERTIES);
    await reporter.report(40);
    for (const property of PROPERTIES) await eventsOf(`property:${property}`, 2);
    expect(await logOf('global')).toEqual([]);
    await stop(dies);

    start();
    await reporter.report(40);
    expect(await auditAll(redis, reporter.accepted)).toMatchObject(CLEAN_ALL);
  });

  it('would be noticed if global were left out: the auditor counts what is missing there', async () => {
    start({
      faults: (log) => ({
        ...log,
        applied: async () => new Map(),
        append: async (request) => {
          if (request.channel !== 'global') return log.append(request);
          return { status: 'ok', epochChanged: false, results: request.entries.map(() => []) };
        },
      }),
    });
    const reporter = createReporter(redis, PROPERTIES.slice(0, 2));
    await reporter.report(4);
    expect(await auditAll(redis, reporter.accepted, { global: 0 })).toMatchObject({
      channels: CLEAN,
      global: { lost: 4 },
    });
  });
});

describe('several publishers', () => {
  it('that all work on all shares at once, fail at random and start over, lose and double nothing', async () => {
    const fails = (log: LogWriter) => failing(log, () => Math.random() < 0.05);
    const startOne = () => start({ zombie: true, faults: fails, batchSize: 7 });
    let crowd = [startOne(), startOne(), startOne()];
    const reporter = createReporter(redis, PROPERTIES);
    for (let round = 0; round < 10; round += 1) {
      await reporter.report(200);
      const [first, ...rest] = crowd as [TestIntake, ...TestIntake[]];
      await stop(first);
      crowd = [...rest, startOne()];
    }
    expect(await auditAll(redis, reporter.accepted)).toMatchObject(CLEAN_ALL);
  });

  it('find by the compare-and-set that another was faster, and work the entries out anew', async () => {
    const held = deferred<void>();
    const late = start({
      zombie: true,
      faults: (log) => ({
        ...log,
        append: async (request) => {
          if (request.channel !== 'global' && request.entries.length === 2) await held.promise;
          return log.append(request);
        },
      }),
    });
    // Both in one batch of the late one, which has read the facts and holds its append back. In one transaction: who waits
    // for entries would be given the first one by itself otherwise …
    await redis
      .connect()
      .multi()
      .xadd('belfry:intake', '*', 'change', change('1', 1))
      .xadd('belfry:intake', '*', 'change', change('1', 2))
      .exec();
    await eventually('batch in hand', () => late.lag().some(({ entries }) => entries === 2));
    // … while another comes, whose batches are of one entry.
    const stopAfterFirst = deferred<void>();
    const other = start({
      zombie: true,
      batchSize: 1,
      faults: (log) => ({
        ...log,
        append: async (request) => {
          const outcome = await log.append(request);
          if (request.channel !== 'global') await stopAfterFirst.promise;
          return outcome;
        },
      }),
    });
    await eventsOf('property:1', 1);
    held.resolve();
    await eventsOf('property:1', 2);
    stopAfterFirst.resolve();
    expect(late.seen.conflicts).toBe(1);
    expect(other.seen.conflicts).toBe(0);
    expect((await eventsOf('global', 2)).map(({ count, new_violations }) => [count, new_violations])).toEqual([
      [1, 1],
      [2, 1],
    ]);
    expect((await logOf('property:1')).map(({ count, new_violations }) => [count, new_violations])).toEqual([
      [1, 1],
      [2, 1],
    ]);
  });
});
