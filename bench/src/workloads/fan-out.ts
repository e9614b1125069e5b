/**
 * How many deliveries a server makes in a second when it gets all that it can take. As many events as fit into a window
 * are always on their way: the next one is published when the clients have got enough of those before it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Publisher } from '../contenders/contender.js';
import type { ContenderName } from '../contenders/names.js';
import type { Swarms } from '../load/swarms.js';
import { onStage, type Usage, watchUsage } from './stage.js';

export interface FanOutShape {
  readonly connections: number;
  readonly channels: number;
  readonly channelsEach: number;
  /** Events on their way at any time. */
  readonly window: number;
  readonly seconds: number;
  /** Between two rounds of reading: see `SwarmPlan`. Long enough for several events to have come for every socket. */
  readonly restMs: number;
}

export interface FanOutResult {
  readonly deliveriesPerSecond: number;
  readonly eventsPerSecond: number;
  /** CPU of the server for one delivery. */
  readonly microsecondsPerDelivery: number;
  readonly usage: Usage;
  readonly latencyMs: { readonly p50: number; readonly p99: number };
}

export const HOT_CHANNEL: FanOutShape = {
  connections: 5_000,
  channels: 1,
  channelsEach: 1,
  window: 64,
  seconds: 3,
  restMs: 20,
};
export const MANY_CHANNELS: FanOutShape = {
  connections: 5_000,
  channels: 1_000,
  channelsEach: 20,
  // What clients get in a rest, and as much again as a server reads in one go. With less, servers were seen to wait.
  window: 16_000,
  // A server that is behind makes a million deliveries in a turn, and a turn takes most of a second: there have to be some.
  seconds: 8,
  // Each socket has some ten kilobytes then. With a quarter of it the clients' reading, Redis with the log's script and the
  // publisher filled their core, and what was measured was that core.
  restMs: 250,
};

/** As long as servers were seen to compile what has become hot. */
const WARM_UP_MS = 4_000;
/** Published in one go: a burst of all that there is room for kept this process from hearing of anything for a third of a second. */
const BURST = 500;
/** Events go to channels in an order that is neither theirs nor random. */
const STEP = 617;
/** Slow contenders take half a minute or more for what is on their way in the wide fan-out; one was seen to take longer than this. */
const DRAIN_MS = 90_000;

export function measureFanOut(name: ContenderName, shape: FanOutShape): Promise<FanOutResult> {
  return onStage(name, async (stage) => {
    const swarms = await stage.clients({ ...shape, sampleEvery: 50 });
    await swarms.connect();
    const publisher = await stage.publisher();
    const pump = startPump(publisher, swarms, shape);
    await Promise.race([sleep(WARM_UP_MS), swarms.failed, pump.failed]);
    swarms.reset();
    const used = watchUsage(stage, swarms);
    const before = swarms.events;
    await Promise.race([sleep(shape.seconds * 1000), swarms.failed, pump.failed]);
    const { seconds, ...usage } = used();
    const deliveries = swarms.events - before;
    const { latencies } = await swarms.stats();
    const published = await pump.stop();
    // Whatever was published has to arrive, or the rate counts for nothing.
    await swarms.received(published * followersOf(shape), DRAIN_MS);
    return {
      deliveriesPerSecond: deliveries / seconds,
      eventsPerSecond: deliveries / seconds / followersOf(shape),
      microsecondsPerDelivery: (usage.server * seconds * 1e6) / deliveries,
      usage,
      latencyMs: { p50: latencies.percentile(0.5), p99: latencies.percentile(0.99) },
    };
  });
}

const followersOf = ({
  channels,
  channelsEach,
  connections,
}: Pick<FanOutShape, 'connections' | 'channels' | 'channelsEach'>): number => (connections * channelsEach) / channels;

/** Publishes as fast as a window lets it: the next event goes out when enough of those before it have arrived. */
export function startPump(
  publisher: Publisher,
  swarms: Swarms,
  shape: Pick<FanOutShape, 'connections' | 'channels' | 'channelsEach' | 'window'>,
) {
  const followers = followersOf(shape);
  let published = 0;
  let running = true;
  let fail = (_: Error): void => undefined;
  const failed = new Promise<never>((_, reject) => {
    fail = reject;
  });
  failed.catch(() => undefined);

  async function run(): Promise<number> {
    while (running) {
      const room = Math.floor(shape.window - (published - swarms.events / followers));
      for (let n = 0; n < Math.min(room, BURST); n += 1) {
        publisher.publish((published * STEP) % shape.channels).catch(fail);
        published += 1;
      }
      await sleep(1);
    }
    return published;
  }
  const finished = run();
  return {
    failed,
    stop() {
      running = false;
      return finished;
    },
  };
}
