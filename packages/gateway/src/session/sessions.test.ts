/** What all sessions of a gateway come to together. */
import { expect, it } from 'vitest';
import { createStage } from './session.test-support.js';

const SESSIONS = 600;
const HEARTBEAT_MS = 30_000;
const STEP_MS = 100;

it('each is pinged once in a heartbeat, and not with a second’s share of the others: events would wait for all of them', async () => {
  const stage = createStage({ authenticationDeadlineMs: 1e9, heartbeatMs: HEARTBEAT_MS });
  const clients = Array.from({ length: SESSIONS }, () => stage.connect());
  const pings = clients.map(() => 0);
  let most = 0;
  for (let ms = 0; ms < HEARTBEAT_MS; ms += STEP_MS) {
    await stage.clock.advance(STEP_MS);
    const pinged = clients.map((client) => client.take().filter(({ type }) => type === 'PING').length);
    pinged.forEach((count, n) => {
      pings[n] = (pings[n] ?? 0) + count;
    });
    most = Math.max(
      most,
      pinged.reduce((sum, count) => sum + count, 0),
    );
  }
  expect(new Set(pings)).toEqual(new Set([1]));
  // Two on average; in steps of a second it would be twenty.
  expect(most).toBeLessThan(15);
});
