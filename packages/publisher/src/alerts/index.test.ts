/** Alerts as a whole on a real Redis: how they start where it refuses, and a digest whose flush fails. */
import { connect } from '@belfry/shared/log';
import { createPreferenceStore } from '@belfry/shared/preferences';
import { createLogger, Registry, systemClock } from '@belfry/shared/service';
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { afterAll, beforeAll, beforeEach, expect, it, onTestFinished } from 'vitest';
import { connectForJobs } from '../jobs/connection.js';
import { createJobMetrics } from '../jobs/metrics.js';
import { type AlertsOptions, startAlerts } from './index.js';
import { createAlertMetrics } from './metrics.js';

const HOUR_MS = 3_600_000;

let redis: TestRedis;
let connection: ReturnType<typeof connect>;

beforeAll(async () => {
  redis = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
  connection = connect({ url: redis.url, name: 'test', onError: () => undefined });
});
beforeEach(() => connection.flushall());
afterAll(async () => {
  connection.disconnect();
  await redis.stop();
});

function start(options: Partial<AlertsOptions> = {}) {
  const logger = createLogger('test', 'silent');
  const registry = new Registry();
  return startAlerts({
    settings: {
      ALERTS_ENABLED: true,
      SMTP_URL: '',
      MAIL_FROM: 'belfry@localhost',
      SMS_URL: '',
      SMS_TOKEN: '',
      ALLOW_PRIVATE_WEBHOOKS: true,
      DELIVERY_TIMEOUT_MS: 1_000,
      DELIVERY_RETRY_MS: 100,
    },
    connection,
    connectForJobs: () => connectForJobs(redis.url, 'jobs', () => undefined),
    prefix: 'belfry',
    name: 'test',
    clock: systemClock,
    logger,
    metrics: createAlertMetrics(registry),
    jobMetrics: createJobMetrics(registry, logger, systemClock),
    ...options,
  });
}

const connections = async () =>
  String(await connection.client('LIST'))
    .trim()
    .split('\n').length;

it('leave nothing running where Redis takes no writes, however often that is tried', async () => {
  const before = await connections();
  await connection.config('SET', 'maxmemory', '1mb');
  onTestFinished(() => void connection.config('SET', 'maxmemory', '0'));
  for (let attempt = 0; attempt < 3; attempt += 1) await expect(start()).rejects.toThrow('OOM');
  await eventually('the end of their connections', async () => (await connections()) === before);
});

it('try the flush of digests again, that failed, long before the next one is due', async () => {
  await createPreferenceStore({ connection, prefix: 'belfry' }).write(
    { userId: 'landlord-7', issuedAt: undefined, readable: () => 'all' },
    { email: 'landlord-7@example.org', rules: [] },
  );
  const event = { id: '7-1', property_id: '1', message: 'one', severity: 'high', timestamp: 1 };
  const delivery = { id: '7-1_landlord-7_email', user: 'landlord-7', rule: 'all', way: 'email', events: [event] };
  await connection.sadd('belfry:{alerts}:digests:hourly', 'landlord-7_email');
  await connection.hset('belfry:{alerts}:digest:hourly:landlord-7_email', delivery.id, JSON.stringify(delivery));
  const sealed = 'belfry:{alerts}:digest:hourly:sealed:landlord-7_email';
  await connection.set(sealed, 'no hash');
  // The first hour ends in a moment.
  const ahead = HOUR_MS - (Date.now() % HOUR_MS) - 300;
  const alerts = await start({ clock: { ...systemClock, now: () => Date.now() + ahead } });
  onTestFinished(() => alerts.close());
  const failed = async () => /attemptsMade|atm/.test(JSON.stringify(await attemptsOf('digests')));
  await eventually('a flush that failed', failed);
  await connection.del(sealed);
  await eventually('the digest', async () => (await connection.keys('{belfry:jobs}:deliveries:hourly_*')).length === 1);
});

it('flush digests when their hour ends also where Redis has forgotten everything since', async () => {
  const own = await startRedis({ args: ['--maxmemory-policy', 'noeviction'] });
  onTestFinished(own.stop);
  const ownConnection = connect({ url: own.url, name: 'test', onError: () => undefined });
  onTestFinished(() => ownConnection.disconnect());
  // The first hour is a long one, the one behind the loss ends in a moment.
  let now = Math.ceil(Date.now() / HOUR_MS) * HOUR_MS;
  const alerts = await start({
    connection: ownConnection,
    connectForJobs: () => connectForJobs(own.url, 'jobs', () => undefined),
    clock: { ...systemClock, now: () => now },
  });
  onTestFinished(() => alerts.close());
  now += HOUR_MS - 1_500;
  await own.restart({ keepData: false });
  await ownConnection.sadd('belfry:{alerts}:digests:hourly', 'landlord-7_email');
  const event = { id: '7-1', property_id: '1', message: 'one', severity: 'high', timestamp: 1 };
  const delivery = { id: '7-1_landlord-7_email', user: 'landlord-7', rule: 'all', way: 'email', events: [event] };
  await ownConnection.hset('belfry:{alerts}:digest:hourly:landlord-7_email', delivery.id, JSON.stringify(delivery));
  await eventually('the flush', async () => (await ownConnection.scard('belfry:{alerts}:digests:hourly')) === 0);
});

/** Of the jobs that are put off. */
async function attemptsOf(queue: string): Promise<unknown[]> {
  const ids = await connection.zrange(`{belfry:jobs}:${queue}:delayed`, '0', '-1');
  return Promise.all(ids.map((id) => connection.hgetall(`{belfry:jobs}:${queue}:${id}`)));
}
