/**
 * The fallback while no connection can be had: snapshots over HTTP, jittered, and cheap for the gateway where nothing has
 * changed. A snapshot shows the present; the events behind the last position still come once there is a connection.
 */
import type { ChannelState } from './api.js';
import { type Clock, createTimer } from './clock.js';
import { type Report, wrap } from './errors.js';
import { fetchStates } from './snapshots.js';
import type { Tokens } from './tokens.js';

/** The first poll of many clients that lost the same gateway is spread over this. */
const FIRST_MS = 1_000;
const LONGEST_MS = 60_000;
const TIMEOUT_MS = 10_000;

export interface Poller {
  /** Polls until stopped; does nothing when it does already. */
  start(): void;
  stop(): void;
  /** The next round asks for everything anew, also for what has not changed since: somebody was not shown it. */
  renew(): void;
  /** The last round succeeded. */
  readonly fresh: boolean;
}

export function createPoller(parts: {
  /** Tried in turn. */
  readonly urls: readonly string[];
  readonly intervalMs: number;
  readonly channels: () => readonly string[];
  readonly fetch: typeof fetch;
  readonly tokens: Tokens;
  readonly clock: Clock;
  readonly random: () => number;
  readonly show: (state: ChannelState) => void;
  /** `fresh` has changed. */
  readonly changed: () => void;
  readonly report: Report;
}): Poller {
  const { urls, intervalMs, tokens, clock, random } = parts;
  const timer = createTimer(clock);
  let etags = new Map<string, string | null>();
  /** The round under way, or the last one; none when stopped. */
  let round: AbortController | undefined;
  let fresh = false;
  let failures = 0;

  const renew = (): void => {
    etags = new Map();
  };

  function setFresh(now: boolean): void {
    // Of a round that failed nothing was shown, whatever came before that; what was shown before another connection may be
    // behind what came over that.
    if (!now) renew();
    if (fresh === now) return;
    fresh = now;
    parts.changed();
  }

  async function poll(): Promise<void> {
    const own = new AbortController();
    round = own;
    const timeout = clock.after(TIMEOUT_MS, () => own.abort(new Error('timeout')));
    let next = intervalMs * (0.5 + random());
    try {
      const url = urls[failures % urls.length] as string;
      const token = await tokens.get('connect');
      const states = await fetchStates(parts.fetch, url, parts.channels(), token, own.signal, etags);
      if (round === own) {
        states.forEach(parts.show);
        failures = 0;
        setFresh(true);
      }
    } catch (cause) {
      const { status, retryAfterMs = 0 } = cause as { readonly status?: number; readonly retryAfterMs?: number };
      if (status === 401) tokens.refused();
      next = retryAfterMs + random() * Math.min(LONGEST_MS, intervalMs * 2 ** failures++);
      if (round === own) {
        parts.report(wrap('poll', cause));
        setFresh(false);
      }
    }
    timeout();
    if (round === own) timer.start(next, poll);
  }

  return {
    renew,
    start: () => {
      if (!round && !timer.running) timer.start(FIRST_MS * random(), poll);
    },
    stop: () => {
      timer.stop();
      round?.abort();
      round = undefined;
      failures = 0;
      setFresh(false);
    },
    get fresh() {
      return fresh;
    },
  };
}
