/** Jobs run once each by whichever process is free, failures and waiting are seen in metrics, and closing waits. */
import { createLogger, Registry, systemClock } from '@belfry/shared/service';
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { connectForJobs } from './connection.js';
import { createJobMetrics } from './metrics.js';
import { type PollWork, startPolling } from './polling.js';
import { createJobQueue, type JobQueue, type JobQueueOptions } from './queue.js';
import { AFTERMATH_MS } from './troubles.js';

const logger = createLogger('test', 'silent');
let redis: TestRedis;
let registry: Registry;
let prefixes = 0;
let prefix = '';

beforeAll(async () => {
  redis = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
});
afterAll(() => redis.stop());
beforeEach(() => {
  registry = new Registry();
  prefixes += 1;
  prefix = `test${prefixes}`;
});

const connect = () => connectForJobs(redis.url, 'jobs', () => undefined);
const queueOf = (options: Partial<JobQueueOptions<{ n: number }>>, metrics = registry): JobQueue<{ n: number }> =>
  createJobQueue({
    name: 'numbers',
    prefix,
    connect,
    concurrency: 1,
    metrics: createJobMetrics(metrics, logger, systemClock),
    logger,
    run: async () => undefined,
    ...options,
  });

describe('a queue', () => {
  it('runs every job once over two processes', async () => {
    const seen: number[] = [];
    const run: JobQueueOptions<{ n: number }>['run'] = async (job) => void seen.push(job.data.n);
    const queues = [queueOf({ run }), queueOf({ run }, new Registry())];
    for (let n = 0; n < 50; n += 1) await queues[n % 2]?.add('number', { n });
    await eventually('fifty jobs', () => seen.length >= 50);
    expect(seen.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 50 }, (_, n) => n));
    for (const queue of queues) await queue.close();
  });

  it('waits for the job that runs when it is closed, and takes no other', async () => {
    let started = false;
    let finish: () => void = () => undefined;
    const finished: number[] = [];
    const queue = queueOf({
      run: async (job) => {
        started = true;
        await new Promise<void>((resolve) => {
          finish = resolve;
        });
        finished.push(job.data.n);
      },
    });
    await queue.add('number', { n: 1 });
    await queue.add('number', { n: 2 });
    await eventually('a job that runs', () => started);
    const closing = queue.close().then(() => finished.push(-1));
    finish();
    await closing;
    expect(finished).toEqual([1, -1]);
  });

  it('shows depth, age, failures and durations', async () => {
    const release: (() => void)[] = [];
    let failed = 0;
    const queue = queueOf({
      run: async (job) => {
        if (job.data.n === 0) {
          failed += 1;
          throw new Error('no');
        }
        await new Promise<void>((resolve) => release.push(resolve));
      },
    });
    await queue.add('number', { n: 0 });
    await eventually('the failure', () => failed === 1);
    await queue.add('number', { n: 1 });
    await queue.add('number', { n: 2 });
    const wanted = [
      'belfry_jobs{queue="numbers",state="waiting"} 1',
      'belfry_jobs{queue="numbers",state="active"} 1',
      'belfry_jobs{queue="numbers",state="failed"} 1',
      'belfry_job_duration_seconds_count{queue="numbers",result="failed"} 1',
    ];
    const text = await eventually('one failed, one running, one waiting', async () => {
      const metrics = await registry.metrics();
      return wanted.every((line) => metrics.includes(`${line}\n`)) && metrics;
    });
    expect(text).toMatch(/belfry_jobs_oldest_age_seconds\{queue="numbers"\} [\d.]+/);
    await eventually('the first one', () => release.length === 1);
    release[0]?.();
    await eventually('the second one', () => release.length === 2);
    release[1]?.();
    await queue.close();
  });

  it('closes in bounded time while Redis is away, also with a job that waits for it', async () => {
    const own = await startRedis();
    let started = false;
    const queue = queueOf({
      connect: () => connectForJobs(own.url, 'jobs', () => undefined),
      run: async () => {
        started = true;
        await eventually('the end of Redis', () => killed);
      },
    });
    let killed = false;
    await queue.add('number', { n: 1 });
    await eventually('a job that runs', () => started);
    await own.kill();
    killed = true;
    const before = performance.now();
    await queue.close();
    // BullMQ itself would wait for Redis for ever.
    expect(performance.now() - before).toBeLessThan(20_000);
    await own.stop();
  });

  it('goes on when Redis was away, and says so once, and once that it is back', async () => {
    const own = await startRedis({ appendFsync: 'always' });
    const seen: number[] = [];
    const said: string[] = [];
    const errors: Error[] = [];
    const note = (line: string): void => void said.push(JSON.parse(line).msg);
    const queue = queueOf({
      logger: createLogger('test', 'info', { write: note }),
      connect: () => connectForJobs(own.url, 'jobs', (error) => void errors.push(error)),
      run: async (job) => void seen.push(job.data.n),
    });
    await queue.add('number', { n: 1 });
    // Not only run: where Redis dies before the worker hears that it is completed, BullMQ reports a lock that is missing.
    await eventually('the end of the first job', async () => (await queue.queue.getCompletedCount()) === 1);
    await own.kill();
    await eventually('several attempts', () => errors.length > 6);
    expect(said).toEqual(['queue lost Redis']);
    await own.restart({ keepData: true });
    await queue.add('number', { n: 2 });
    await eventually('the second job', () => seen.length === 2);
    expect(said).toEqual(['queue lost Redis', 'queue has Redis again']);
    await queue.close();
    await own.stop();
  });
});

it('a queue that lost only the connection by which it waits for jobs says so, and that it has Redis again', async () => {
  const said: string[] = [];
  let now = 0;
  const queue = queueOf({
    logger: createLogger('test', 'info', { write: (line: string) => void said.push(JSON.parse(line).msg) }),
    steadyMs: () => now,
  });
  const admin = redis.connect();
  const waiting = async () =>
    /^id=(\d+) .* name=\{test\d+:jobs\}:\S+ .*cmd=bzpopmin/m.exec(String(await admin.client('LIST')))?.[1];
  const id = await eventually('a connection that waits', waiting);
  await queue.queue.waitUntilReady();
  // As the connection says it where it is reset; one that is closed in order says nothing.
  const reset = () => queue.queue.emit('error', Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }));
  reset();
  expect(said).toEqual([]);
  now += AFTERMATH_MS;
  reset();
  expect(said).toEqual(['queue lost Redis']);
  await admin.client('KILL', 'ID', id);
  await eventually('its return', () => said.length === 2);
  expect(said).toEqual(['queue lost Redis', 'queue has Redis again']);
  await queue.close();
});

describe('a job whose process died', () => {
  /** A job in the hands of a process that is gone, which that had befallen `before` times already. */
  async function orphan(before: number): Promise<void> {
    const queue = queueOf({}, new Registry());
    await queue.add('number', { n: 7 }, { jobId: 'orphan', delay: 600_000 });
    await queue.close();
    const admin = redis.connect();
    const base = `{${prefix}:jobs}:numbers`;
    await admin.zrem(`${base}:delayed`, 'orphan');
    await admin.lpush(`${base}:active`, 'orphan');
    await admin.sadd(`${base}:stalled`, 'orphan');
    await admin.hset(`${base}:orphan`, 'stc', before);
    await admin.del(`${base}:stalled-check`);
  }

  it.each([
    [2, undefined],
    [11, 12],
  ])('is given to another one, also where that was so %i times before', async (before, maxStalled) => {
    await orphan(before);
    const seen: number[] = [];
    const queue = queueOf({ run: async (job) => void seen.push(job.data.n), ...(maxStalled && { maxStalled }) });
    onTestFinished(() => queue.close());
    await eventually('the job', () => seen.length === 1);
  });

  it.each([
    [3, undefined],
    [12, 12],
  ])('fails where that was so %i times before, and its owner is told', async (before, maxStalled) => {
    await orphan(before);
    const seen: number[] = [];
    const told: unknown[] = [];
    const said: string[] = [];
    const queue = queueOf({
      run: async (job) => void seen.push(job.data.n),
      onGivenUp: (job, { message }) => void told.push([job.id, job.data, message]),
      logger: createLogger('test', 'info', { write: (line: string) => void said.push(JSON.parse(line).msg) }),
      ...(maxStalled && { maxStalled }),
    });
    onTestFinished(() => queue.close());
    await eventually('word of it', () => told.length > 0);
    expect(told).toEqual([['orphan', { n: 7 }, 'job stalled more than allowable limit']]);
    expect(said.toSorted()).toEqual(['job stalled', 'job stalled too often and is given up']);
    expect(seen).toEqual([]);
    expect(await queue.queue.getFailedCount()).toBe(1);
  });

  it('and that fails by itself afterwards is no job that stalled too often', async () => {
    await orphan(0);
    const told: unknown[] = [];
    const said: string[] = [];
    const run = () => Promise.reject(new Error('no'));
    const queue = queueOf({
      run,
      onGivenUp: (job, { message }) => void told.push([job.id, message]),
      logger: createLogger('test', 'info', { write: (line: string) => void said.push(JSON.parse(line).msg) }),
    });
    onTestFinished(() => queue.close());
    await eventually('word of it', () => told.length > 0);
    expect(told).toEqual([['orphan', 'no']]);
    expect(said).toEqual(['job stalled']);
  });
});

describe('a schedule', () => {
  const EVERY_MS = 60_000;
  const ask = (queue: JobQueue<{ n: number }>, firstAfterMs = () => EVERY_MS) =>
    queue.schedule('minutely', EVERY_MS, firstAfterMs, 'number', { n: 1 });
  const forget = async () => {
    const admin = redis.connect();
    const keys = await admin.keys(`{${prefix}:jobs}:*`);
    await admin.del(...keys);
  };

  it('that Redis has forgotten is written again, once for two processes, and begins as it would at their start', async () => {
    const seen: number[] = [];
    const run: JobQueueOptions<{ n: number }>['run'] = async (job) => void seen.push(job.data.n);
    const queues = [queueOf({ run, lookMs: 50 }), queueOf({ run, lookMs: 50 }, new Registry())] as const;
    onTestFinished(async () => void (await Promise.all(queues.map((queue) => queue.close()))));
    let firstAfterMs = EVERY_MS;
    for (const queue of queues) await ask(queue, () => firstAfterMs);
    await forget();
    firstAfterMs = 1_000;
    await eventually('its first run', () => seen.length > 0);
    expect(await queues[0].queue.getJobSchedulers()).toMatchObject([{ key: 'minutely', every: EVERY_MS }]);
    expect(await queues[0].queue.getJobCounts('delayed', 'waiting', 'active')).toMatchObject({
      delayed: 1,
      waiting: 0,
    });
    expect(seen).toEqual([1]);
  });

  it('that is there is neither moved nor doubled by being looked after, nor is what another process made of it', async () => {
    const queue = queueOf({ lookMs: 5 });
    onTestFinished(() => queue.close());
    await ask(queue);
    const looks = vi.spyOn(queue.queue, 'getJobSchedulers');
    const before = await queue.queue.getDelayed();
    await eventually('many looks', () => looks.mock.calls.length > 20);
    expect((await queue.queue.getDelayed()).map(({ id }) => id)).toEqual(before.map(({ id }) => id));
    const other = queueOf({}, new Registry());
    onTestFinished(() => other.close());
    await other.schedule('minutely', 2 * EVERY_MS, () => EVERY_MS, 'number', { n: 2 });
    looks.mockClear();
    await eventually('many more looks', () => looks.mock.calls.length > 20);
    expect(await queue.queue.getJobSchedulers()).toMatchObject([{ key: 'minutely', every: 2 * EVERY_MS }]);
  });

  it('that was ended is not written again, and none is behind the end of its queue', async () => {
    const queue = queueOf({ lookMs: 5 });
    await ask(queue);
    await queue.schedule('kept', EVERY_MS, () => EVERY_MS, 'number', { n: 2 });
    await queue.unschedule((id) => id === 'kept');
    const looks = vi.spyOn(queue.queue, 'getJobSchedulers');
    await eventually('many looks', () => looks.mock.calls.length > 20);
    expect((await queue.queue.getJobSchedulers()).map(({ key }) => key)).toEqual(['kept']);
    await queue.close();
    await forget();
    const other = queueOf({}, new Registry());
    onTestFinished(() => other.close());
    expect(await other.queue.getJobSchedulers()).toEqual([]);
  });

  it('is written again as soon as a Redis is back that has forgotten everything', async () => {
    const own = await startRedis();
    onTestFinished(own.stop);
    const seen: number[] = [];
    const queue = queueOf({
      connect: () => connectForJobs(own.url, 'jobs', () => undefined),
      run: async (job) => void seen.push(job.data.n),
      lookMs: 600_000,
    });
    onTestFinished(() => queue.close());
    await queue.schedule('often', 200, () => 100, 'number', { n: 1 });
    await eventually('a run', () => seen.length > 0);
    await own.restart({ keepData: false });
    const before = seen.length;
    await eventually('more runs', () => seen.length > before + 2);
  });
});

describe('polling', () => {
  const startWith = (work: PollWork, everyMs: number) =>
    startPolling({
      work,
      prefix,
      connect,
      everyMs,
      metrics: createJobMetrics(new Registry(), logger, systemClock),
      logger,
    });

  it('polls every type again and again, from one schedule for two publishers', async () => {
    const polled: string[] = [];
    const work: PollWork = {
      violationTypes: ['A', 'B'],
      poll: async (type) => {
        polled.push(type);
        return 'done';
      },
      load: async () => 'done',
    };
    const polling = [await startWith(work, 500), await startWith(work, 500)];
    const schedulers = await polling[0]?.jobs.queue.getJobSchedulers();
    expect(schedulers?.map(({ key }) => key).sort()).toEqual(['poll-A', 'poll-B']);
    await eventually('two polls of each', () =>
      ['A', 'B'].every((type) => polled.filter((one) => one === type).length >= 2),
    );
    for (const one of polling) await one.close();
  });

  it('ends the schedules of types that are not polled any more', async () => {
    const work = (...violationTypes: string[]): PollWork => ({
      violationTypes,
      poll: async () => 'done',
      load: async () => 'done',
    });
    await (await startWith(work('A', 'B'), 60_000)).close();
    const polling = await startWith(work('B'), 60_000);
    expect((await polling.jobs.queue.getJobSchedulers()).map(({ key }) => key)).toEqual(['poll-B']);
    await polling.close();
  });

  it('spreads the types over the interval, and a restart does not put them off', async () => {
    const work: PollWork = { violationTypes: ['A', 'B', 'C'], poll: async () => 'done', load: async () => 'done' };
    const first = await startWith(work, 60_000);
    const nexts = async (polling: typeof first) =>
      new Map((await polling.jobs.queue.getJobSchedulers()).map(({ key, next }) => [key, next ?? 0]));
    const before = await nexts(first);
    const spread = [...before.values()].sort((a, b) => a - b);
    expect((spread[2] ?? 0) - (spread[0] ?? 0)).toBeGreaterThan(30_000);
    await first.close();
    const second = await startWith(work, 60_000);
    // One that fell due meanwhile is due again an interval later.
    for (const [key, next] of await nexts(second)) expect((next - (before.get(key) ?? 0)) % 60_000, key).toBe(0);
    await second.close();
  });

  it('has new properties read at once', async () => {
    const loaded: string[] = [];
    const polling = await startWith(
      {
        violationTypes: ['A', 'B'],
        poll: async () => 'done',
        load: async (type) => {
          loaded.push(type);
          return 'done';
        },
      },
      60_000,
    );
    await polling.load();
    await eventually('both types', () => loaded.length === 2);
    expect(loaded.sort()).toEqual(['A', 'B']);
    await polling.close();
  });

  it('polls a type that was taken when its turn came as soon as it is free, and not only with the next turn', async () => {
    const outcomes: string[] = [];
    const polling = await startWith(
      {
        violationTypes: ['A'],
        poll: async () => {
          const outcome = outcomes.length < 2 ? 'busy' : 'done';
          outcomes.push(outcome);
          return outcome;
        },
        load: async () => 'done',
      },
      60_000,
    );
    await eventually('a poll that is done', () => outcomes.includes('done'), { deadlineMs: 20_000 });
    expect(outcomes).toEqual(['busy', 'busy', 'done']);
    await eventually('one job that waits for the next turn', async () => {
      const { active, delayed, failed } = await polling.jobs.queue.getJobCounts('active', 'delayed', 'failed');
      return active === 0 && delayed === 1 && failed === 0;
    });
    await polling.close();
  });
});
