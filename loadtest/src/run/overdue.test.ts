/** No run that k6 would end by itself is ended from outside, however long it is. */
import { expect, it } from 'vitest';
import { SCENARIOS } from '../k6/scenarios.ts';
import { OPTIONS } from '../k6/settings.ts';
import { readArguments } from './arguments.ts';
import { overdueAfterMs, PATIENCE } from './overdue.ts';

/** `setup`, `maxDuration` beyond the plan, and what k6 gives its threads to stop. */
const K6_OWN_MS = 150_000;
/** Node takes a longer one for 1 ms. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

const longest = (['ramp', 'settle', 'duration'] as const).flatMap((name) => [`--${name}`, `${OPTIONS[name].max}`]);

it.each(Object.keys(SCENARIOS))('%s has all its time, also where it is as long as it can be', (scenario) => {
  for (const options of [[], longest]) {
    const { settings } = readArguments([scenario, ...options], {});
    const { endMs } = SCENARIOS[settings.scenario].timeline(settings);
    const afterMs = overdueAfterMs(settings, PATIENCE);
    expect(afterMs).toBeGreaterThan(endMs + 2 * K6_OWN_MS);
    expect(afterMs).toBeLessThan(LONGEST_TIMER_MS);
  }
});
