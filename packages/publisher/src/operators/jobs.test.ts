/** What operators ask of queues while Redis is away, and what is told of it. */
import { connect } from '@belfry/shared/log';
import { createLogger, operatorRoutes, Registry, startOperatorServer } from '@belfry/shared/service';
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import { beforeEach, expect, it, onTestFinished, vi } from 'vitest';
import { connectForJobs } from '../jobs/connection.js';
import { createJobRoutes } from './jobs.js';

let redis: TestRedis;
beforeEach(async () => {
  redis = await startRedis();
  return () => redis.stop();
});

const logger = createLogger('test', 'silent');
const LIMIT_MS = 300;
const limited = () =>
  connect({ url: redis.url, name: 'job-routes', commandTimeoutMs: LIMIT_MS, onError: () => undefined });
/** As workers have it, which wait for jobs. */
const patient = () => connectForJobs(redis.url, 'job-routes', () => undefined);

/** The routes on an operators' port that lets everybody in: as when Redis went away behind the check. */
async function serve(open: typeof limited) {
  const { close, routes } = createJobRoutes({ connect: open, prefix: 'test', logger });
  onTestFinished(close);
  const server = await startOperatorServer({
    host: '127.0.0.1',
    port: 0,
    registry: new Registry(),
    logger,
    readiness: [],
    handlers: [operatorRoutes({ routes, check: async () => ({ operator: 'operator-7' }), logger })],
  });
  onTestFinished(server.close);
  return async (call: string) => {
    const [method = '', path] = call.split(' ');
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
    const { code } = (await answer.json()) as { code?: string };
    return { status: answer.status, retryAfter: answer.headers.get('retry-after'), code };
  };
}

const CALLS = ['GET /jobs', 'GET /jobs/deliveries/failed', 'POST /jobs/deliveries/retry'];
const DONE = { status: 200, retryAfter: null, code: undefined };
const FOR_NOW = { status: 503, retryAfter: '1', code: 'unavailable' };

it.each(['asked before', 'never asked'])(
  'whoever asks while Redis is frozen is told when to come again, of queues %s',
  async (before) => {
    const ask = await serve(limited);
    const askAll = () => Promise.all(CALLS.map(ask));
    if (before === 'asked before') expect(await askAll()).toEqual(CALLS.map(() => DONE));
    redis.freeze();
    expect(await askAll()).toEqual(CALLS.map(() => FOR_NOW));
    redis.thaw();
    await eventually('answers', async () => (await askAll()).every(({ status }) => status === 200));
  },
);

it('by a connection that waits for Redis it would be told nothing', async () => {
  const [ask, askPatiently] = [await serve(limited), await serve(patient)];
  expect(await askPatiently('GET /jobs')).toEqual(DONE);
  redis.freeze();
  let answered = false;
  const waiting = askPatiently('GET /jobs').finally(() => {
    answered = true;
  });
  for (let time = 0; time < 3; time += 1) expect(await ask('GET /jobs')).toEqual(FOR_NOW);
  expect(answered).toBe(false);
  redis.thaw();
  expect(await waiting).toEqual(DONE);
});

it('queues that operators have looked into tell of an absence of Redis in the log, once for all of them', async () => {
  const lines: { level: string; msg: string; queue?: string }[] = [];
  const console = vi.spyOn(globalThis.console, 'error');
  onTestFinished(() => console.mockRestore());
  const errors: Error[] = [];
  const { close, queues } = createJobRoutes({
    connect: () => connect({ url: redis.url, name: 'job-routes', onError: (error) => void errors.push(error) }),
    prefix: 'test',
    logger: createLogger('test', 'info', { write: (line: string) => void lines.push(JSON.parse(line)) }),
  });
  onTestFinished(close);
  await Promise.all(queues().map((queue) => queue.getJobCounts('waiting')));
  await redis.kill();
  await eventually('several attempts', () => errors.length > 3);
  await redis.start();
  await eventually('its return', () => lines.length > 1);
  expect(lines).toMatchObject([
    { level: 'warn', msg: 'queue lost Redis', queue: 'operators' },
    { level: 'info', msg: 'queue has Redis again', queue: 'operators' },
  ]);
  expect(console).not.toHaveBeenCalled();
});
