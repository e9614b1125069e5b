/** The channel log over a network that can be slow, silent, or lose the answer: an in-memory store behind promises. */
import type { Clock } from '../../service/clock.js';
import { type LogKeeper, type LogReader, LogUnavailable, type LogWriter } from '../log.js';
import type { MemoryStore } from './memory-store.js';

export interface MemoryLogOptions {
  readonly store: MemoryStore;
  readonly clock: Clock;
  /** Milliseconds on the way to the store, and once more back. Default: none. */
  readonly delayMs?: () => number;
  /** Whether a call reaches the store when it gets there. Default: always. */
  readonly reachable?: () => boolean;
  /** Whether an answer is lost on the way back, though the call had its effect. Default: never. */
  readonly loseAnswer?: () => boolean;
  /** Milliseconds after which a call that is not answered fails. Default 5,000. */
  readonly timeoutMs?: number;
}

export function createMemoryLog(options: MemoryLogOptions): LogReader & LogWriter & LogKeeper {
  const { clock, store, delayMs = () => 0, reachable = () => true, loseAnswer = () => false } = options;
  const timeoutMs = options.timeoutMs ?? 5_000;

  const pass = (ms: number): Promise<void> =>
    ms === 0 ? Promise.resolve() : new Promise((resolve) => clock.after(ms, resolve));

  /** Runs `work` on the store in one piece, as Redis runs a script. */
  async function call<T>(work: () => T): Promise<T> {
    await pass(delayMs());
    if (!reachable()) {
      await pass(timeoutMs);
      throw new LogUnavailable('the log does not answer: the simulated Redis is away');
    }
    const result = work();
    if (loseAnswer()) {
      await pass(timeoutMs);
      throw new LogUnavailable('the log does not answer: the answer was lost');
    }
    await pass(delayMs());
    return result;
  }

  return {
    read: (channel, request) => call(() => store.read(channel, request)),
    positions: (channels) => call(() => channels.map((channel) => store.position(channel))),
    keep: (channels) =>
      call(() => {
        for (const channel of channels) store.keep(channel);
      }),
    append: (request) => call(() => store.append(request)),
    facts: ({ channel, lane, fields, from, idempotencyKeys }) =>
      call(() => store.facts(channel, lane, fields, idempotencyKeys, from)),
    applied: (channel, intakeIds) => call(() => store.applied(channel, intakeIds)),
  };
}
