/**
 * How clients should spread their reconnects, sized from how many connections a gateway takes in per second: measured
 * when the process starts, by what costs most in an accept, the verification of a token.
 */
import type { ReconnectAdvice } from '@belfry/shared/protocol';

/**
 * Besides the token: handshake, ten channels with a short replay each, and the user's own channel, which Redis is asked
 * for. Measured at 0.3 to 0.4 ms a client that comes back.
 */
const SECONDS_PER_ACCEPT = 0.0004;
/** Share of a core that taking clients in may use: the rest goes on serving those who are there. */
const SHARE = 0.5;
/** uWebSockets listens with a backlog of 512: what overflows it waits for whole seconds. */
const MAX_PER_SECOND = 500;
const SAMPLES = 50;
/** A signature like any other, of nobody. */
const SAMPLE_TOKEN =
  'eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJ1c2VyX2lkIjoic2FtcGxlIiwiZXhwIjoxfQ.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA';
/** Who connects first is told before the others have come: the advice must not be made for an empty gateway. */
const MIN_FIRST_MS = 2_000;
const MAX_FIRST_MS = 30_000;
const MAX_DELAY_MS = 20_000;

/** @returns connections that this process takes in per second without neglecting the others */
export function measureAcceptRate(verify: (token: string) => unknown, nowSeconds: () => number): number {
  const started = nowSeconds();
  for (let n = 0; n < SAMPLES; n += 1) verify(SAMPLE_TOKEN);
  const perToken = (nowSeconds() - started) / SAMPLES;
  return Math.min(MAX_PER_SECOND, SHARE / (perToken + SECONDS_PER_ACCEPT));
}

/** Should this gateway die, as many clients as it has now come to its peers, which take in as many as it does. */
export function adviseReconnect(connections: number, acceptsPerSecond: number): ReconnectAdvice {
  const first = Math.round((connections / acceptsPerSecond) * 1_000);
  return { first_ms: Math.min(MAX_FIRST_MS, Math.max(MIN_FIRST_MS, first)), max_ms: MAX_DELAY_MS };
}
