/** How many events a second go through one publisher and one server to a single follower of each channel. */
import type { ContenderName } from '../contenders/names.js';
import { onStage, type Usage, watchUsage } from './stage.js';

export interface ThroughputShape {
  readonly events: number;
  readonly channels: number;
  readonly inFlight: number;
}

export interface ThroughputResult {
  readonly eventsPerSecond: number;
  readonly usage: Usage;
}

export const THROUGHPUT: ThroughputShape = { events: 60_000, channels: 100, inFlight: 512 };

const GIVE_UP_MS = 60_000;
/** The first events pay for compiling. */
const WARM_UP_SHARE = 0.1;

export function measureThroughput(name: ContenderName, shape: ThroughputShape): Promise<ThroughputResult> {
  return onStage(name, async (stage) => {
    const swarms = await stage.clients({ connections: shape.channels, channels: shape.channels, channelsEach: 1 });
    await swarms.connect();
    const publisher = await stage.publisher();
    let published = 0;

    /** Publishes until `total`, never more than the window ahead of what has arrived. */
    async function publishUntil(total: number): Promise<void> {
      while (published < total) {
        const room = Math.min(total - published, shape.inFlight - (published - swarms.events));
        const sent: Promise<unknown>[] = [];
        for (let n = 0; n < room; n += 1) {
          sent.push(publisher.publish(published % shape.channels));
          published += 1;
        }
        await Promise.race([Promise.all(sent), swarms.failed]);
        await swarms.received(published - shape.inFlight / 2, GIVE_UP_MS);
      }
      await swarms.received(total, GIVE_UP_MS);
    }

    await publishUntil(shape.events * WARM_UP_SHARE);
    const used = watchUsage(stage, swarms);
    await publishUntil(shape.events);
    const { seconds, ...usage } = used();
    return { eventsPerSecond: (shape.events * (1 - WARM_UP_SHARE)) / seconds, usage };
  });
}
