import { createLogger, Registry, readSettings, systemClock } from '@belfry/shared/service';
import { eventually, startCity, startRedis } from '@belfry/testkit';
import { expect, it, onTestFinished } from 'vitest';
import type { ServiceEvent } from './changes/service-event.js';
import { IntakeUnavailable } from './intake/door.js';
import { connectForJobs } from './jobs/connection.js';
import { createJobMetrics } from './jobs/metrics.js';
import { sourceEvent, startReporting } from './reporting.js';
import { sourceSettings } from './sources/index.js';
import { BBL, HPD, hpdRow } from './sources/nyc/city-rows.test-support.js';

it('tells clients how a source is, and nothing of what its error says', () => {
  const event = sourceEvent({
    source: 'hpd',
    dataset: 'wvxf-dwi5',
    violation_type: 'HPD',
    state: 'failing',
    since: 100,
    checked_at: 90,
    data_as_of: 80,
    error: 'network',
    message: 'wvxf-dwi5: connect ECONNREFUSED 10.0.0.7:443',
  });
  expect(event).toEqual({
    channel: 'state:sources',
    type: 'source_state',
    key: 'hpd',
    source: 'hpd',
    violation_type: 'HPD',
    state: 'failing',
    since: 100,
    checked_at: 90,
    data_as_of: 80,
    error: 'network',
  });
});

it('a state that the intake did not take is announced with the next poll, though nothing has changed since', async () => {
  const redis = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
  onTestFinished(() => redis.stop());
  const city = await startCity();
  onTestFinished(() => city.close());
  city.insert(HPD, hpdRow(1));
  const logger = createLogger('test', 'silent');
  const registry = new Registry();
  const board: ServiceEvent[] = [];
  let away = true;
  let refused = 0;
  const reporting = startReporting({
    settings: readSettings(sourceSettings, {
      NYC_BASE_URL: city.url,
      NYC_DATASETS: 'hpd',
      NYC_POLL_SECONDS: '5',
      WATCH_PROPERTIES: BBL,
    }),
    prefix: 'test',
    redis: redis.connect(),
    connectForJobs: () => connectForJobs(redis.url, 'jobs', () => undefined),
    jobMetrics: createJobMetrics(registry, logger, systemClock),
    door: {
      accept: async (reports) => {
        for (const report of reports) {
          if (!('event' in report)) continue;
          refused += Number(away);
          if (away) throw new IntakeUnavailable('Redis is not connected');
          board.push(report.event);
        }
        return [];
      },
    },
    clock: systemClock,
    random: Math.random,
    logger,
    registry,
  });
  onTestFinished(() => reporting.close());
  await eventually('an announcement', () => refused > 0);
  away = false;
  await eventually('the next one', () => board.length > 0);
  expect(board).toMatchObject([{ channel: 'state:sources', key: 'hpd', state: 'ok' }]);
});
