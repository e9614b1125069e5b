/** The sources as the publisher starts them: real Redis, real queues, the testkit's city with the sample rows. */
import type { Connection } from '@belfry/shared/log';
import { createLogger, Registry, readSettings, systemClock } from '@belfry/shared/service';
import {
  type City,
  eventually,
  sampleFolder,
  startCity,
  startCluster,
  startRedis,
  type TestRedis,
} from '@belfry/testkit';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, onTestFinished } from 'vitest';
import type { Change } from '../changes/change.js';
import { connectForJobs } from '../jobs/connection.js';
import { createJobMetrics, type JobMetrics } from '../jobs/metrics.js';
import { DEMO_PROPERTIES } from './demo.js';
import { type NycSources, type SourceState, sourceSettings, startNycSources } from './index.js';
import { hpdRow } from './nyc/city-rows.test-support.js';

const HPD = 'wvxf-dwi5';
const logger = createLogger('test', 'silent');
const folder = sampleFolder();
let redis: TestRedis;
let city: City;
let sources: NycSources;
const changes: Change[] = [];
const seenStates: SourceState[] = [];

beforeAll(async () => {
  redis = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
});
afterAll(() => redis.stop());

interface Where {
  readonly commands: Connection;
  readonly url: string;
  readonly jobMetrics?: JobMetrics;
}

async function start(
  environment: Record<string, string> = {},
  where: Where = { commands: redis.connect(), url: redis.url },
  registry = new Registry(),
): Promise<{ sources: NycSources; registry: Registry }> {
  const started = await startNycSources({
    settings: readSettings(sourceSettings, { NYC_BASE_URL: city.url, NYC_APP_TOKEN: 'the-token', ...environment }),
    prefix: 'test',
    redis: where.commands,
    connectForJobs: () => connectForJobs(where.url, 'jobs', () => undefined),
    submit: async (submitted) => void changes.push(...submitted),
    fetch,
    clock: systemClock,
    random: Math.random,
    logger,
    registry,
    jobMetrics: where.jobMetrics ?? createJobMetrics(registry, logger, systemClock),
    announce: async (state) => void seenStates.push(state),
  });
  return { sources: started, registry };
}

describe.skipIf(folder === undefined)(
  'with the sample rows (skipped where the folder is not there: set BELFRY_SAMPLES)',
  () => {
    beforeEach(async () => {
      await redis.connect().flushall();
      changes.length = 0;
      seenStates.length = 0;
      city = await startCity(folder === undefined ? {} : { folder });
      // The samples hold no DOB NOW rows.
      city.insert('855j-jady', {
        violation_number: 'VIO-1',
        bbl: '1000010001',
        violation_issue_date: '2026-01-01T00:00:00.000',
        violation_type: 'LBLVIO',
        violation_remarks: 'text',
        violation_status: 'Active',
      });
    });
    afterEach(async () => {
      await sources.close();
      await city.close();
    });
    const reportsOf = (bbl: string, type: string): Change[] =>
      changes.filter((change) => change.property_id === bbl && change.violation_type === type);

    it('a configured property is read at the start, and one that somebody watches within a second or two', async () => {
      ({ sources } = await start({ WATCH_PROPERTIES: '5054200062' }));
      await eventually('the configured property', () => reportsOf('5054200062', 'HPD').length === 1);
      expect(reportsOf('5054200062', 'HPD')[0]).toMatchObject({ baseline: true });
      expect(reportsOf('5054200062', 'HPD')[0]).toHaveProperty('violations.length', 6);
      await sources.watch(['1019320004', 'not-a-bbl']);
      await eventually('the watched property', () => reportsOf('1019320004', 'HPD').length === 1);
      expect(city.requests.every(({ token }) => token === 'the-token')).toBe(true);
    });

    it('a property is read when a gateway has a subscriber for it, up to the limit', async () => {
      ({ sources } = await start({ WATCH_MAX_PROPERTIES: '1' }));
      const gateway = redis.connect();
      await gateway.ssubscribe('test:{property:5054200062}');
      await eventually('the subscribed property', () => reportsOf('5054200062', 'HPD').length === 1);
      await gateway.ssubscribe(
        'test:{property:1019320004}',
        'test:{property:not-a-bbl}',
        'other:{property:4000780001}',
      );
      await sources.watch([]);
      expect(await sources.watchList.properties()).toEqual(new Set(['5054200062']));
      expect(await sources.watchList.reasons('5054200062')).toEqual(['subscribed']);
      gateway.disconnect();
    });

    it('does all of it on a Redis Cluster', { timeout: 60_000 }, async () => {
      const cluster = await startCluster();
      try {
        const url = `redis+cluster://${cluster.urls.replaceAll('redis://', '')}`;
        ({ sources } = await start(
          { WATCH_PROPERTIES: '5054200062', NYC_POLL_SECONDS: '5' },
          { commands: cluster.connect(), url },
        ));
        await eventually('the configured property', () => reportsOf('5054200062', 'HPD').length === 1, {
          deadlineMs: 20_000,
        });
        const master = await cluster.masterOf('test:{property:1019320004}');
        await master.connect().ssubscribe('test:{property:1019320004}');
        await eventually('the subscribed property', () => reportsOf('1019320004', 'HPD').length === 1, {
          deadlineMs: 20_000,
        });
        await eventually('every poll', async () => (await sources.status()).every(({ state }) => state === 'ok'), {
          deadlineMs: 20_000,
        });
      } finally {
        await sources.close();
        await cluster.stop();
      }
    });

    it('polls what changes, and shows how the sources are', async () => {
      const started = await start({ WATCH_PROPERTIES: '5054200062', NYC_POLL_SECONDS: '5', NYC_DATASETS: 'hpd' });
      sources = started.sources;
      await eventually('the first poll', async () => (await sources.status()).every(({ state }) => state === 'ok'), {
        deadlineMs: 15_000,
      });
      const row = city.rows(HPD).find((each) => each.bbl === '5054200062' && each.violationstatus === 'Open');
      city.update(HPD, (each) => each.violationid === row?.violationid, { violationstatus: 'Close' });
      await eventually(
        'the closing',
        () => reportsOf('5054200062', 'HPD').some((change) => 'violations' in change && change.violations.length === 5),
        { deadlineMs: 15_000 },
      );
      expect(reportsOf('5054200062', 'HPD').at(-1)).not.toHaveProperty('baseline');
      expect(await sources.status()).toMatchObject([
        { source: 'hpd', dataset: HPD, violation_type: 'HPD', state: 'ok' },
      ]);
      expect(seenStates.at(-1)).toMatchObject({ source: 'hpd', state: 'ok' });
      const metrics = await started.registry.metrics();
      expect(metrics).toContain('belfry_source_state{source="hpd",state="ok"} 1');
      expect(metrics).toContain('belfry_source_watched_properties 1');
      expect(metrics).toMatch(/belfry_source_data_timestamp_seconds\{source="hpd"\} \d+/);
    });

    it("leaves the demo feed's properties alone while that runs", async () => {
      ({ sources } = await start({
        DEMO_FEED: 'true',
        WATCH_PROPERTIES: `${DEMO_PROPERTIES[0]},5054200062`,
        NYC_DATASETS: 'hpd',
      }));
      await eventually('the other property', () => reportsOf('5054200062', 'HPD').length === 1);
      expect(changes.map((change) => change.property_id)).toEqual(['5054200062']);
    });

    it('can be started again with the same registry after it could not be', async () => {
      const registry = new Registry();
      const jobMetrics = createJobMetrics(registry, logger, systemClock);
      const commands = redis.connect();
      await expect(start({}, { commands, url: 'redis+nothing', jobMetrics }, registry)).rejects.toThrow();
      ({ sources } = await start({ NYC_DATASETS: 'hpd' }, { commands, url: redis.url, jobMetrics }, registry));
      expect(await registry.metrics()).toContain('belfry_source_state{source="hpd",state="stale"} 1');
    });

    it('closes while the city does not answer', async () => {
      city.failNext({ kind: 'slow' }, 100);
      ({ sources } = await start({ WATCH_PROPERTIES: '5054200062' }));
      await eventually('a question', () => city.requests.length > 0);
      const before = performance.now();
      await sources.close();
      expect(performance.now() - before).toBeLessThan(5_000);
      expect(changes).toEqual([]);
    });
  },
);

it('sources are read and polled on where Redis is back and has forgotten everything', { timeout: 60_000 }, async () => {
  const own = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
  onTestFinished(own.stop);
  city = await startCity({});
  onTestFinished(city.close);
  const [configured, subscribed] = ['5054200062', '1019320004'] as const;
  for (const [n, bbl] of [configured, subscribed].entries()) city.insert(HPD, hpdRow(n, bbl));
  const environment = { WATCH_PROPERTIES: configured, NYC_POLL_SECONDS: '5', NYC_DATASETS: 'hpd' };
  ({ sources } = await start(environment, { commands: own.connect({ retryStrategy: () => 100 }), url: own.url }));
  onTestFinished(sources.close);
  const subscribe = () => own.connect().ssubscribe(`test:{property:${subscribed}}`);
  const bothRead = () =>
    [configured, subscribed].every((bbl) => changes.some(({ property_id }) => property_id === bbl));
  const polled = async () => (await sources.status()).every(({ state }) => state === 'ok');
  await subscribe();
  await eventually('both properties', bothRead);
  await eventually('the first poll', polled);
  await own.restart({ keepData: false });
  changes.length = 0;
  await subscribe();
  await eventually('both properties again', bothRead);
  await eventually('a poll', polled);
  const before = city.requests.length;
  await eventually('another poll', () => city.requests.length > before);
});
