/** What a connection costs in memory that stays: resident bytes of the server over those of the process without clients. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { ContenderName } from '../contenders/names.js';
import { residentBytes } from '../machine/usage.js';
import { onStage } from './stage.js';

export interface MemoryShape {
  readonly connections: number;
  readonly channels: number;
  readonly channelsEach: number;
  readonly users: 'distinct' | 'same';
}

export interface MemoryResult {
  /** Of the process before the first client. */
  readonly emptyBytes: number;
  readonly bytesPerConnection: number;
  /** The same after an event on every channel; undefined without channels. */
  readonly bytesPerConnectionLater: number | undefined;
}

export const IDLE: MemoryShape = { connections: 10_000, channels: 1_000, channelsEach: 0, users: 'distinct' };
export const TEN_CHANNELS: MemoryShape = { ...IDLE, channelsEach: 10 };

/** Memory of a process that has just started, or just been rushed at, still moves. */
const SETTLE_MS = 1_500;
const REST_MS = 8_000;
const REST_LATER_MS = 3_000;
const RECEIVE_MS = 20_000;

export function measureMemory(name: ContenderName, shape: MemoryShape): Promise<MemoryResult> {
  return onStage(name, async (stage) => {
    const swarms = await stage.clients(shape);
    await sleep(SETTLE_MS);
    const emptyBytes = residentBytes(stage.server.pid);
    await swarms.connect();
    await Promise.race([sleep(REST_MS), swarms.failed]);
    const perConnection = (): number => (residentBytes(stage.server.pid) - emptyBytes) / shape.connections;
    const bytesPerConnection = perConnection();
    if (shape.channelsEach === 0) return { emptyBytes, bytesPerConnection, bytesPerConnectionLater: undefined };
    const publisher = await stage.publisher();
    for (let channel = 0; channel < shape.channels; channel += 1) await publisher.publish(channel);
    await swarms.received(shape.connections * shape.channelsEach, RECEIVE_MS);
    await Promise.race([sleep(REST_LATER_MS), swarms.failed]);
    return { emptyBytes, bytesPerConnection, bytesPerConnectionLater: perConnection() };
  });
}
