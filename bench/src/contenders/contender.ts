/** What a measurement needs of whoever is measured: a server to connect to, and a way to publish to it through Redis. */
import type { TestRedis } from '@belfry/testkit';
import type { ContenderName } from './names.js';

export interface RunningServer {
  readonly pid: number;
  readonly port: number;
  stop(): Promise<unknown>;
}

export interface Publisher {
  /** Resolves when Redis, or the server, has it. `channel` is a number: see `channelName`. */
  publish(channel: number): Promise<unknown>;
  close(): Promise<void>;
}

export interface Contender {
  readonly name: ContenderName;
  /** Whether a client that comes back gets what it missed. */
  readonly recovers: boolean;
  start(redis: TestRedis): Promise<RunningServer>;
  openPublisher(redis: TestRedis, server: RunningServer): Promise<Publisher>;
}
