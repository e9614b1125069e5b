/** The histogram that adds by itself is read like any other. */
import { createMetrics } from '@belfry/shared/service';
import { expect, it } from 'vitest';
import { createMessageDurations } from './durations.js';

it('durations of messages are in what the registry prints, cumulated, with their sum and number', async () => {
  const registry = createMetrics('gateway', '1');
  const add = createMessageDurations(registry);
  for (const ms of [0.1, 3, 3, 60_000]) add('PING', ms);
  const name = 'websocket_message_duration_seconds';
  const lines = (await registry.metrics()).split('\n').filter((line) => line.startsWith(name));
  const of = (what: RegExp): number | undefined => {
    const found = lines.find((line) => what.test(line));
    return found === undefined ? undefined : Number(found.slice(found.lastIndexOf(' ')));
  };
  expect([of(/_bucket\{.*"\+Inf"/), of(/_count/), of(/_sum/)]).toEqual([4, 4, expect.closeTo(60.0061, 4)]);
  expect(of(/_bucket\{.*le="1"/)).toBe(3);
  const [metric] = (await registry.getMetricsAsJSON()).filter((each) => each.name === name);
  expect(metric).toMatchObject({ type: 'histogram', values: expect.arrayContaining([]) });
});
