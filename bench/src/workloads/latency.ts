/** How long an event takes from its publisher to its followers, at a rate that does not wait for anybody. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContenderName } from '../contenders/names.js';
import { Histogram } from '../load/histogram.js';
import { onStage, type Usage, watchUsage } from './stage.js';

export interface LatencyShape {
  readonly connections: number;
  readonly channels: number;
  readonly channelsEach: number;
  readonly eventsPerSecond: number;
  readonly seconds: number;
}

export interface LatencyResult {
  /** As they were sent: less than was asked for where the publisher did not get its turn. */
  readonly eventsPerSecond: number;
  readonly p50: number;
  readonly p99: number;
  /** The p99 of each part of the time by itself, and of these the median: without the moments in which something else was done. */
  readonly typicalP99: number;
  readonly usage: Usage;
}

/**
 * 50,000 deliveries a second: about what the slowest contenders can do at most. For long enough that a stall has to last
 * for a quarter of a second to be the slowest percent by itself.
 */
export const STEADY: LatencyShape = {
  connections: 5_000,
  channels: 1_000,
  channelsEach: 10,
  eventsPerSecond: 1_000,
  seconds: 24,
};
/** The same at half the rate: what of the latency at the full one is that cores are nearly busy. */
export const STEADY_HALF: LatencyShape = { ...STEADY, eventsPerSecond: 500 };
export const STEADY_HOT: LatencyShape = {
  connections: 5_000,
  channels: 1,
  channelsEach: 1,
  eventsPerSecond: 10,
  seconds: 8,
};

/**
 * For the first seconds servers compile what has become hot, on the core on which they run: a profiler found the bare one
 * at it for five seconds, and a gateway for seven.
 */
const WARM_UP_SECONDS = 8;
/** Of which the p99 is taken by itself: `typicalP99`. */
const PART_SECONDS = 2;
const STEP = 617;
const DRAIN_MS = 30_000;

export function measureLatency(name: ContenderName, shape: LatencyShape): Promise<LatencyResult> {
  return onStage(name, async (stage) => {
    const swarms = await stage.clients({ ...shape, sampleEvery: 10 });
    await swarms.connect();
    const publisher = await stage.publisher();
    let published = 0;
    let fail = (_: Error): void => undefined;
    const failed = new Promise<never>((_, reject) => {
      fail = reject;
    });
    failed.catch(() => undefined);
    /** Events are sent when they are due, whether or not those before them have arrived, or Redis has answered. */
    const publishFor = async (seconds: number): Promise<number> => {
      const first = published;
      const started = performance.now();
      const total = Math.round(shape.eventsPerSecond * seconds);
      while (published - first < total) {
        const due = Math.min(total, ((performance.now() - started) / 1000) * shape.eventsPerSecond);
        for (; published - first < due; published += 1) {
          publisher.publish((published * STEP) % shape.channels).catch(fail);
        }
        await sleep(1);
      }
      return ((published - first) / (performance.now() - started)) * 1000;
    };
    await publishFor(WARM_UP_SECONDS);
    swarms.reset();
    const all = new Histogram();
    const parts: number[] = [];
    const endPart = async (): Promise<void> => {
      const { latencies } = await swarms.stats();
      swarms.reset();
      all.add(latencies.counts);
      parts.push(latencies.percentile(0.99));
    };
    const used = watchUsage(stage, swarms);
    const publishing = Promise.race([publishFor(shape.seconds), swarms.failed, failed]);
    for (let part = 1; part < shape.seconds / PART_SECONDS; part += 1) {
      await Promise.race([sleep(PART_SECONDS * 1000), publishing]);
      await endPart();
    }
    const eventsPerSecond = await publishing;
    const { seconds: _, ...usage } = used();
    await swarms.received((published * shape.connections * shape.channelsEach) / shape.channels, DRAIN_MS);
    await endPart();
    return {
      eventsPerSecond,
      p50: all.percentile(0.5),
      p99: all.percentile(0.99),
      typicalP99: median(parts),
      usage,
    };
  });
}

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor((values.length - 1) / 2)] as number;
