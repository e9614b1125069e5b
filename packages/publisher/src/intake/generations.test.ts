/** What happens to accepted changes when Redis restarts, with its data or without, or fails over and loses a tail. */
import type { LogWriter } from '@belfry/shared/log';
import { eventually, replicaInSync, startRedis, startSentinel, type TestRedis, within } from '@belfry/testkit';
import { afterEach, describe, expect, it } from 'vitest';
import { CLEAN } from './audit.test-support.js';
import {
  auditAll,
  createReporter,
  readLog,
  startTestIntake,
  type TestIntake,
  type TestIntakeOptions,
} from './intake.test-support.js';

const PROPERTIES = Array.from({ length: 10 }, (_, n) => `101265000${n}`);
const CLEAN_ALL = { channels: CLEAN, global: CLEAN };

const opened: { stop(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.stop();
});

function start(options: TestIntakeOptions): TestIntake {
  const intake = startTestIntake(options);
  opened.push(intake);
  return intake;
}

async function openRedis(...args: string[]): Promise<TestRedis> {
  const redis = await startRedis({ args });
  opened.push(redis);
  return redis;
}

const epochsOf = async (redis: TestRedis, property: string) =>
  new Set(
    (await redis.connect().xrange(`belfry:{property:${property}}:log`, '-', '+')).map(([id]) => id.split('-')[0]),
  );

describe('after a restart of Redis', () => {
  it('with its data every change is there once, and new ones come in a new epoch', async () => {
    const redis = await openRedis();
    const intake = start({ url: redis.url });
    const reporter = createReporter(redis, PROPERTIES);
    await reporter.report(500);
    await auditAll(redis, reporter.accepted);
    await redis.restart({ keepData: true });
    await eventually('shares set back', () => intake.seen.rewound >= 4);
    await reporter.report(500);
    expect(await auditAll(redis, reporter.accepted)).toMatchObject(CLEAN_ALL);
    expect((await epochsOf(redis, PROPERTIES[0] ?? '')).size).toBe(2);
  });

  it('without its data new changes are worked off as on a new one', async () => {
    const redis = await openRedis();
    start({ url: redis.url });
    const before = createReporter(redis, PROPERTIES);
    await before.report(100);
    await auditAll(redis, before.accepted);
    await redis.restart({ keepData: false });
    const after = createReporter(redis, PROPERTIES);
    await after.report(100);
    expect(await auditAll(redis, after.accepted)).toMatchObject(CLEAN_ALL);
  });

  it('in the middle of the work nothing is lost that Redis still had accepted', async () => {
    const redis = await startRedis({ appendFsync: 'always' });
    opened.push(redis);
    start({ url: redis.url });
    const reporter = createReporter(redis, PROPERTIES);
    await reporter.report(3_000);
    await redis.restart({ keepData: true });
    await reporter.report(10);
    expect(await auditAll(redis, reporter.accepted)).toMatchObject(CLEAN_ALL);
  });
});

describe('a failover that loses appends', () => {
  it('has them appended again from the intake, in order', async () => {
    const sentinel = await startSentinel();
    opened.push(sentinel);
    const first = await sentinel.master();
    const replica = sentinel.nodes.find((node) => node !== first) as TestRedis;
    const url = `redis+sentinel://${sentinel.sentinels.map(({ host, port }) => `${host}:${port}`).join()}/${sentinel.name}`;
    const intake = start({ url });
    const reporter = createReporter(first, PROPERTIES);
    await reporter.report(100);
    await auditAll(first, reporter.accepted);
    await intake.stop();
    opened.splice(opened.indexOf(intake), 1);

    // Accepted and replicated, but not yet worked off …
    await reporter.report(100);
    await within(first.connect().wait(1, 5_000), 'acknowledgement of the replica');
    replica.freeze();
    await first.connect().call('CLIENT', 'KILL', 'TYPE', 'replica');
    // … then worked off, by a publisher whose appends the replica does not get.
    const second = start({ url });
    expect(await auditAll(first, reporter.accepted)).toMatchObject(CLEAN_ALL);
    await first.kill();
    replica.thaw();
    await sentinel.failedOver(first);
    await eventually('generation noticed', () => second.seen.rewound > 0, { deadlineMs: 40_000 });

    const later = createReporter(replica, ['1999999999']);
    await eventually('change accepted', async () => later.report(1).then(() => true));
    const all = new Map([...reporter.accepted, ...later.accepted]);
    expect(await auditAll(replica, all)).toMatchObject(CLEAN_ALL);
    expect((await epochsOf(replica, PROPERTIES[0] ?? '')).size).toBe(2);
  }, 150_000);
});

describe('a failover of the node that holds a property, not of the one that holds the intake', () => {
  /** Takes the property's channel back to where it was, and gives Redis a new generation. */
  async function loseTail(redis: TestRedis, run: () => Promise<void>): Promise<void> {
    const connection = redis.connect();
    const keys = (await connection.keys('belfry:{property:*')).sort();
    const kept = await Promise.all(keys.map((key) => connection.dumpBuffer(key)));
    await run();
    const restore = connection.multi();
    for (const [n, key] of keys.entries()) restore.restore(key, 0, kept[n] as Buffer, 'REPLACE');
    restore.call('DEBUG', 'CHANGE-REPL-ID');
    await restore.exec();
  }

  async function scenario(options: Omit<TestIntakeOptions, 'url'>) {
    const redis = await openRedis('--enable-debug-command', 'yes');
    const intake = start({ url: redis.url, ...options });
    const reporter = createReporter(redis, PROPERTIES);
    await reporter.report(100);
    await auditAll(redis, reporter.accepted);
    await loseTail(redis, async () => {
      await reporter.report(100);
      await auditAll(redis, reporter.accepted);
    });
    // The next change of each property comes at once, before anybody has asked for generations.
    await reporter.report(20);
    return { reporter, redis, intake };
  }

  it('does not let new changes overtake those that it lost', async () => {
    const { redis, reporter, intake } = await scenario({});
    expect(await auditAll(redis, reporter.accepted)).toMatchObject(CLEAN_ALL);
    expect(intake.seen.rewound).toBeGreaterThan(0);
  });

  it('would lose them for good if appends were not fenced', async () => {
    const unfenced = (log: LogWriter): LogWriter => ({
      ...log,
      append: ({ generations: _, ...request }) => log.append(request),
    });
    const { redis, reporter } = await scenario({ faults: unfenced, readGenerations: async () => ['0123456789ab'] });
    // Those before the loss, and the next ones: the channels lie behind what was lost then.
    expect(await auditAll(redis, reporter.accepted, { channels: 120 })).toMatchObject({
      channels: { lost: 100, doubled: 0, reordered: 0 },
    });
  });
});

describe('a former master that still takes writes while another one was promoted', () => {
  it('has nothing of the new one passed over, where only the reading connection is still with it', async () => {
    const former = await openRedis();
    const master = await openRedis('--replicaof', `127.0.0.1 ${former.port}`);
    await replicaInSync(master);
    await master.connect().replicaof('NO', 'ONE');
    const report = (redis: TestRedis, id: string, count: number) =>
      redis
        .connect()
        .xadd(
          'belfry:intake',
          id,
          'change',
          JSON.stringify({ property_id: PROPERTIES[0], violation_type: 'HPD', count }),
        );
    const countsOf = async () => (await readLog(master, `property:${PROPERTIES[0]}`)).map(({ count }) => count);
    const now = Date.now();
    await report(master, `${now}-0`, 1);
    await report(former, `${now + 1}-0`, 2);

    const intake = start({ url: master.url, readerUrl: former.url });
    await eventually('what is read there', async () => intake.seen.retries > 0 || (await countsOf()).includes(2));
    intake.readFrom(master);
    await eventually('the change that the new master took', async () => (await countsOf()).includes(1));
    expect(await countsOf()).toEqual([1]);
  });
});
