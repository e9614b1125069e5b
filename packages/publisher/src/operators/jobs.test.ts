/** What operators ask of queues while Redis is away, and what is told of it. */
import { createLogger } from '@belfry/shared/service';
import { eventually, startRedis } from '@belfry/testkit';
import { expect, it, onTestFinished, vi } from 'vitest';
import { connectForJobs } from '../jobs/connection.js';
import { createJobRoutes } from './jobs.js';

it('queues that operators have looked into tell of an absence of Redis in the log, once for all of them', async () => {
  const redis = await startRedis();
  onTestFinished(() => redis.stop());
  const lines: { level: string; msg: string; queue?: string }[] = [];
  const console = vi.spyOn(globalThis.console, 'error');
  onTestFinished(() => console.mockRestore());
  const errors: Error[] = [];
  const { close, queues } = createJobRoutes({
    connect: () => connectForJobs(redis.url, 'job-routes', (error) => void errors.push(error)),
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
