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
    metrics.session.received('SUBSCRIBE');
    metrics.session.failed('forbidden');
  };
  touch();
  const before = await series();
  for (let n = 0; n < 100_000; n += 1) touch();
  expect(await series()).toBe(before);
});

it('counts by label whatever comes in between: the same again, and others', async () => {
  const registry = createMetrics('gateway', '1');
  const metrics = createGatewayMetrics(registry);
  for (const type of ['A', 'B', 'B', 'A', 'A']) metrics.session.sent(type);
  metrics.session.received('A');
  const text = await registry.metrics();
  const count = (type: string, direction: string) =>
    new RegExp(`^websocket_messages_total\\{.*type="${type}",direction="${direction}".*\\} (\\d+)$`, 'm').exec(
      text,
    )?.[1];
  expect([count('A', 'out'), count('B', 'out'), count('A', 'in')]).toEqual(['3', '2', '1']);
});
