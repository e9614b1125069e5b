/**
 * The network fails for everybody at once, events go on, everybody comes back and wants what was missed. What counts is
 * when the last one has all of it. Servers without recovery can only be counted as what they are: clients that miss it.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContenderName } from '../contenders/names.js';
import { onStage, type Usage, watchUsage } from './stage.js';

export interface ResumeShape {
  readonly connections: number;
  readonly channels: number;
  readonly channelsEach: number;
  /** Events on each channel while everybody is away. */
  readonly missedPerChannel: number;
}

export interface ResumeResult {
  /** Until everybody was subscribed again. */
  readonly secondsUntilReady: number;
  /** Until everybody had everything that was missed; undefined where not everything came. */
  readonly secondsUntilComplete: number | undefined;
  readonly missed: number;
  /** Of those that were missed, how many came after all. */
  readonly recovered: number;
  readonly serverCpuSeconds: number;
  readonly usage: Usage;
}

export const RESUME: ResumeShape = { connections: 5_000, channels: 1_000, channelsEach: 4, missedPerChannel: 5 };

/** Until servers have noticed that everybody is gone. */
const AWAY_MS = 1_500;
const GIVE_UP_MS = 10_000;

export function measureResume(name: ContenderName, shape: ResumeShape): Promise<ResumeResult> {
  return onStage(name, async (stage) => {
    const swarms = await stage.clients({ ...shape, remember: true });
    await swarms.connect();
    const publisher = await stage.publisher();
    const each = shape.connections * shape.channelsEach;
    // One event on each channel first: some protocols tell a client where it stands only with an event.
    for (let channel = 0; channel < shape.channels; channel += 1) await publisher.publish(channel);
    await swarms.received(each, GIVE_UP_MS);
    await swarms.drop();
    await sleep(AWAY_MS);
    for (let round = 0; round < shape.missedPerChannel; round += 1) {
      for (let channel = 0; channel < shape.channels; channel += 1) await publisher.publish(channel);
    }
    await sleep(AWAY_MS);
    const before = swarms.events;
    const missed = each * shape.missedPerChannel;
    const used = watchUsage(stage, swarms);
    const started = performance.now();
    const secondsUntilReady = await swarms.connect();
    const complete = stage.contender.recovers
      ? await swarms.received(before + missed, GIVE_UP_MS).then(
          () => (performance.now() - started) / 1000,
          () => undefined,
        )
      : undefined;
    const { seconds, ...usage } = used();
    return {
      secondsUntilReady,
      secondsUntilComplete: complete,
      missed,
      recovered: swarms.events - before,
      serverCpuSeconds: usage.server * seconds,
      usage,
    };
  });
}
