/** Everybody comes at once: connects, authenticates, subscribes ten channels. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContenderName } from '../contenders/names.js';
import { onStage, type Usage, watchUsage } from './stage.js';

export interface StormShape {
  readonly connections: number;
  readonly channels: number;
  readonly channelsEach: number;
}

export interface StormResult {
  readonly secondsUntilReady: number;
  /** CPU of the server until all were ready. */
  readonly serverCpuSeconds: number;
  readonly usage: Usage;
}

export const STORM: StormShape = { connections: 10_000, channels: 1_000, channelsEach: 10 };

const SETTLE_MS = 1_000;

export function measureStorm(name: ContenderName, shape: StormShape): Promise<StormResult> {
  return onStage(name, async (stage) => {
    const swarms = await stage.clients(shape);
    await sleep(SETTLE_MS);
    const used = watchUsage(stage, swarms);
    const secondsUntilReady = await swarms.connect();
    const { seconds, ...usage } = used();
    return { secondsUntilReady, serverCpuSeconds: usage.server * seconds, usage };
  });
}
