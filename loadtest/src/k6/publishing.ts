/**
 * Publishes through the publisher's HTTP door at a rate, event by event, as services do; and says at the end, in each
 * channel, how many there were. One request at a time for each channel, so that its events have one order.
 */
import http, { type Params } from 'k6/http';
import { setTimeout } from 'k6/timers';
import { EVENT_TYPE, runOf, writeMark } from './frames.ts';
import * as metrics from './metrics.ts';
import type { Stage, Timeline } from './scenarios.ts';

export interface PublishingOptions {
  readonly url: string;
  /** Empty: none is shown. */
  readonly token: string;
  /** Those that this publisher alone publishes to. */
  readonly channels: readonly string[];
  /** This publisher's part of the whole rate. */
  readonly share: number;
  /** Characters of filling in each event. */
  readonly bytes: number;
  readonly startedMs: number;
  readonly timeline: Timeline;
  /** Why the intake did not take an event, for people. */
  readonly onProblem: (text: string) => void;
}

const ATTEMPTS = 5;
const RETRY_MS = 500;
const TIMEOUT = '10s';
/** A request a moment late is better than one timer an event at thousands of events a second. */
const SHORTEST_WAIT_MS = 2;

const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));

export async function publish(options: PublishingOptions): Promise<void> {
  const { channels, timeline, startedMs } = options;
  const source = `${runOf(startedMs)}${Math.random().toString(36).slice(2, 10)}`;
  const filling = 'x'.repeat(options.bytes);
  const url = `${options.url.replace(/\/$/, '')}/v1/events`;
  const headers = {
    'content-type': 'application/json',
    ...(options.token ? { authorization: `Bearer ${options.token}` } : {}),
  };
  const accepted = channels.map(() => 0);
  const queues: Promise<void>[] = channels.map(() => Promise.resolve());
  let sinceMs = 0;

  async function post(channel: number, dueMs: number | undefined): Promise<void> {
    const last = dueMs === undefined;
    const n = (accepted[channel] ?? 0) + 1;
    const key = `${source}-${channel}-${n}`;
    const sentMs = Date.now();
    if (!last) metrics.behind.add(Math.max(0, sentMs - dueMs));
    const event = {
      channel: channels[channel],
      type: EVENT_TYPE,
      message: writeMark({ source: `${source}@${channels[channel]}`, n, sentMs, sinceMs, last }),
      filling,
    };
    for (let attempt = 1; ; attempt++) {
      const params = { headers: { ...headers, 'idempotency-key': key }, timeout: TIMEOUT, tags: { name: 'intake' } };
      const status = await request(JSON.stringify(event), params);
      if (status === 202) break;
      if (attempt === ATTEMPTS || (status >= 400 && status < 500 && status !== 429)) {
        metrics.refused.add(1);
        // The next event takes this one's number. If this one got in after all, that shows as a repetition.
        return;
      }
      await sleep(RETRY_MS * attempt);
    }
    accepted[channel] = n;
    if (last) return;
    metrics.intake.add(Date.now() - sentMs);
    metrics.published.add(1);
  }

  /** The answer's status; 0 where there was none. */
  async function request(body: string, params: Params): Promise<number> {
    try {
      const { status } = await http.asyncRequest('POST', url, body, params);
      if (status !== 202) options.onProblem(`the intake answers HTTP ${status}`);
      return status;
    } catch (error) {
      options.onProblem(`the intake: ${(error as Error).message ?? error}`);
      return 0;
    }
  }

  /** @param dueMs when it should be published; undefined: after all others, as the last one */
  const enqueue = (channel: number, dueMs?: number) => {
    const before = queues[channel] ?? Promise.resolve();
    queues[channel] = before.then(() => post(channel, dueMs));
  };

  const quietMs = startedMs + timeline.quietMs;
  await sleep(startedMs + (timeline.publishing[0]?.fromMs ?? 0) - Date.now());
  sinceMs = Date.now();
  let next = 0;
  for (const [n, stage] of timeline.publishing.entries()) {
    const untilMs = Math.min(quietMs, startedMs + (timeline.publishing[n + 1]?.fromMs ?? timeline.quietMs));
    await keepRate(stage, untilMs);
  }
  await Promise.all(queues);
  channels.forEach((_, channel) => {
    enqueue(channel);
  });
  await Promise.all(queues);

  async function keepRate(stage: Stage, untilMs: number): Promise<void> {
    const everyMs = 1_000 / (stage.rate * options.share);
    for (let dueMs = startedMs + stage.fromMs + everyMs; dueMs < untilMs; dueMs += everyMs) {
      const earlyMs = dueMs - Date.now();
      if (earlyMs >= 1) await sleep(Math.max(SHORTEST_WAIT_MS, earlyMs));
      enqueue(next % channels.length, dueMs);
      next++;
    }
  }
}
