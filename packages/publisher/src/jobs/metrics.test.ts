/** What a scrape says of the queues while Redis does not answer, and that it says all the rest in time. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { type Clock, createLogger, Registry, systemClock } from '@belfry/shared/service';
import { eventually, startCity, startPublisher, startRedis, type TestRedis } from '@belfry/testkit';
import { describe, expect, it, onTestFinished } from 'vitest';
import { type CountedQueue, createJobMetrics } from './metrics.js';

/** Prometheus' default. */
const SCRAPE_TIMEOUT_MS = 10_000;
const QUEUES = ['deliveries', 'digests', 'sources'];
const OTHERS = ['belfry_build_info', 'belfry_redis_retries_total', 'belfry_source_state', 'process_cpu_seconds_total'];

const namesIn = (text: string) => new Set([...text.matchAll(/^(\w+)(?:\{.*\})? /gm)].map(([, name]) => name));
const linesOf = (text: string, name: string) =>
  text.split('\n').filter((line) => line.startsWith(`${name}{`) || line.startsWith(`${name} `));
const countedAs = (value: 0 | 1) => QUEUES.map((queue) => `belfry_jobs_counted{queue="${queue}"} ${value}`);

describe('a publisher', () => {
  it.each<[how: string, leave: (redis: TestRedis) => unknown, comeBack?: (redis: TestRedis) => unknown]>([
    ['frozen', (redis) => redis.freeze(), (redis) => redis.thaw()],
    ['paused', (redis) => redis.connect().client('PAUSE', 600_000, 'ALL')],
    ['gone', (redis) => redis.kill(), (redis) => redis.start()],
  ])('answers a scrape in time while Redis is %s, without job counts', async (_, leave, comeBack) => {
    const redis = await startRedis();
    onTestFinished(redis.stop);
    const city = await startCity({});
    onTestFinished(city.close);
    const publisher = await startPublisher({
      REDIS_URL: redis.url,
      SOURCES_ENABLED: 'true',
      NYC_BASE_URL: city.url,
    });
    onTestFinished(async () => void (await publisher.stop()));
    const scrape = async () => {
      const signal = AbortSignal.timeout(SCRAPE_TIMEOUT_MS);
      return await (await fetch(`${publisher.operatorUrl}/metrics`, { signal })).text();
    };
    const wanted = [...OTHERS, ...QUEUES.map((queue) => `belfry_jobs{queue="${queue}",state="waiting"}`)];
    const allCounted = async () => {
      const text = await scrape();
      return wanted.every((start) => text.includes(`\n${start}`)) && text;
    };

    const before = await eventually('a count of every queue', allCounted);
    expect(linesOf(before, 'belfry_jobs_oldest_age_seconds')).toHaveLength(QUEUES.length);
    expect(linesOf(before, 'belfry_jobs_counted').toSorted()).toEqual(countedAs(1));

    await leave(redis);
    for (const text of [await scrape(), ...(await Promise.all([scrape(), scrape()]))]) {
      expect([...namesIn(text)]).toEqual(expect.arrayContaining(OTHERS));
      expect(linesOf(text, 'belfry_jobs_counted').toSorted()).toEqual(countedAs(0));
      expect([...linesOf(text, 'belfry_jobs'), ...linesOf(text, 'belfry_jobs_oldest_age_seconds')]).toEqual([]);
    }

    await comeBack?.(redis);
    if (comeBack) await eventually('a count of every queue again', allCounted);
  });
});

describe('a queue', () => {
  /** A scrape whose patience ends when the test says so. */
  function watching(queue: Partial<CountedQueue>) {
    const limits: (() => void)[] = [];
    const clock: Clock = {
      ...systemClock,
      now: () => 60_000,
      after: (_, run) => {
        limits.push(run);
        return () => undefined;
      },
    };
    const registry = new Registry();
    const metrics = createJobMetrics(registry, createLogger('test', 'silent'), clock);
    const unwatch = metrics.watch('deliveries', {
      getJobCounts: async () => ({ waiting: 3 }),
      oldestWaiting: async () => 18_000,
      ...queue,
    });
    const lines = async () =>
      (await registry.metrics()).split('\n').filter((line) => /^belfry_jobs(_\w+)?\{/.test(line));
    return { limits, lines, unwatch };
  }

  const KNOWN = [
    'belfry_jobs_counted{queue="deliveries"} 1',
    'belfry_jobs{queue="deliveries",state="waiting"} 3',
    'belfry_jobs{queue="deliveries",state="active"} 0',
    'belfry_jobs{queue="deliveries",state="delayed"} 0',
    'belfry_jobs{queue="deliveries",state="failed"} 0',
    'belfry_jobs_oldest_age_seconds{queue="deliveries"} 42',
  ];
  const UNKNOWN = ['belfry_jobs_counted{queue="deliveries"} 0'];

  it('that has not answered is not asked again until it has, and what it says then is nothing of now', async () => {
    let asked = 0;
    const answers: (() => void)[] = [];
    const { limits, lines } = watching({
      getJobCounts: async () => {
        asked += 1;
        const waiting = asked === 1 ? 1_000 : 3;
        await new Promise<void>((resolve) => answers.push(resolve));
        return { waiting };
      },
    });
    const [first, beside] = [lines(), lines()];
    limits[0]?.();
    expect([await first, await beside]).toEqual([UNKNOWN, UNKNOWN]);
    const again = lines();
    limits[1]?.();
    expect(await again).toEqual(UNKNOWN);
    expect(asked).toBe(1);
    answers[0]?.();
    await nextTurn();
    const later = lines();
    answers[1]?.();
    expect(await later).toEqual(KNOWN);
  });

  it('whose counting fails is unknown, and does not keep what was counted before', async () => {
    let fails = false;
    const { lines } = watching({
      oldestWaiting: async () => {
        if (fails) throw new Error('NOPERM');
        return 18_000;
      },
    });
    expect(await lines()).toEqual(KNOWN);
    fails = true;
    expect(await lines()).toEqual(UNKNOWN);
    fails = false;
    expect(await lines()).toEqual(KNOWN);
  });

  it('that is closed is not told of any more', async () => {
    const { lines, unwatch } = watching({});
    expect(await lines()).toEqual(KNOWN);
    unwatch();
    expect(await lines()).toEqual([]);
  });
});
