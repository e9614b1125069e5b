/** Metrics grow with nothing that clients name. */
import { createMetrics } from '@belfry/shared/service';
import { expect, it } from 'vitest';
import { createGatewayMetrics } from './metrics.js';

it('a hundred thousand random properties leave the series as they were', async () => {
  const registry = createMetrics('gateway', '1');
  const metrics = createGatewayMetrics(registry);
  const series = async () =>
    (await registry.metrics()).split('\n').filter((line) => /^(websocket|belfry)_/.test(line)).length;
  const name = () => `property:${Math.random().toString(36).slice(2)}`;
  const touch = (): void => {
    metrics.logRead(name());
    metrics.channels.joined('fresh', 0);
    metrics.channels.ignored('foreign');
    metrics.channels.delivered(1, 1);
    metrics.eventsWaited(5, 3);
    metrics.session.received('SUBSCRIBE');
    metrics.session.failed('forbidden');
  };
  touch();
  const before = await series();
  for (let n = 0; n < 100_000; n += 1) touch();
  expect(await series()).toBe(before);
});

it('events that waited together are one wait, in seconds, and count each', async () => {
  const registry = createMetrics('gateway', '1');
  const metrics = createGatewayMetrics(registry);
  metrics.eventsWaited(4, 3);
  metrics.eventsWaited(20, 7);
  const text = await registry.metrics();
  const value = (name: string) =>
    Number(
      text
        .split('\n')
        .find((line) => line.startsWith(name))
        ?.split(' ')[1],
    );
  expect(value('belfry_coalescing_wait_seconds_count')).toBe(2);
  expect(value('belfry_coalescing_wait_seconds_sum')).toBeCloseTo(0.024);
  expect(value('belfry_coalesced_events_total')).toBe(10);
});
