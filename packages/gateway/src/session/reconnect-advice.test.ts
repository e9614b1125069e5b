/** Clients of a gateway that dies come back no faster than the others can take them in. */
import { expect, it } from 'vitest';
import { adviseReconnect, measureAcceptRate } from './reconnect-advice.js';

/** A machine on which checking a token takes so long. */
function rateWith(secondsPerToken: number): number {
  let now = 0;
  const verify = (): void => {
    now += secondsPerToken;
  };
  return measureAcceptRate(verify, () => now);
}

it('a machine that checks tokens more slowly takes in fewer, and none more than its backlog', () => {
  expect(rateWith(0)).toBe(500);
  const [quick, slow] = [rateWith(0.001), rateWith(0.01)];
  expect(quick).toBeLessThan(500);
  // Half of a core, at ten milliseconds and a little each.
  expect(slow).toBeCloseTo(0.5 / 0.0104, 5);
  expect(slow).toBeLessThan(quick);
});

it('the advice spreads all clients over the time in which they can be taken in, within bounds', () => {
  expect(adviseReconnect(10_000, 500)).toEqual({ first_ms: 20_000, max_ms: 20_000 });
  expect(adviseReconnect(10_000, 1_000).first_ms).toBe(10_000);
  expect(adviseReconnect(0, 500).first_ms).toBe(2_000);
  expect(adviseReconnect(100_000, 100).first_ms).toBe(30_000);
});
