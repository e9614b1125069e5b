/** How many events a second go through one publisher and one server to a single follower of each channel. */
import type { ContenderName } from '../contenders/names.js';
import { onStage, type Usage, watchUsage } from './stage.js';

export interface ThroughputShape {
  readonly channels: number;
  readonly inFlight: number;
  readonly seconds: number;
}

export interface ThroughputResult {
  readonly eventsPerSecond: number;
  readonly usage: Usage;
}

export const THROUGHPUT: ThroughputShape = { channels: 100, inFlight: 2_000, seconds: 3 };

/** The first events pay for compiling. */
const WARM_UP_SECONDS = 1;
const GIVE_UP_MS = 20_000;

export function measureThroughput(name: ContenderName, shape: ThroughputShape): Promise<ThroughputResult> {
  return onStage(name, async (stage) => {
    const swarms = await stage.clients({ connections: shape.channels, channels: shape.channels, channelsEach: 1 });
    await swarms.connect();
    const publisher = await stage.publisher();
    let published = 0;

    /** Publishes for so long, never more than the window ahead of what has arrived. */
    async function publishFor(seconds: number): Promise<void> {
      const end = performance.now() + seconds * 1000;
      while (performance.now() < end) {
        const sent: Promise<unknown>[] = [];
        for (let room = shape.inFlight - (published - swarms.events); room > 0; room -= 1) {
          sent.push(publisher.publish(published % shape.channels));
          published += 1;
        }
        await Promise.race([Promise.all(sent), swarms.failed]);
        await swarms.received(published - shape.inFlight / 2, GIVE_UP_MS);
      }
    }

    await publishFor(WARM_UP_SECONDS);
    const used = watchUsage(stage, swarms);
    const before = swarms.events;
    await publishFor(shape.seconds);
    const { seconds, ...usage } = used();
    const eventsPerSecond = (swarms.events - before) / seconds;
    await swarms.received(published, GIVE_UP_MS);
    return { eventsPerSecond, usage };
  });
}
