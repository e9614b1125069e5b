/** A link with what it said, and a publisher that numbers what it publishes. */
import { eventually } from '@belfry/testkit';
import { createLogger, systemClock } from '../service/index.js';
import { type Connection, connect } from './connection.js';
import { channelKeys, DEFAULT_KEY_PREFIX } from './keys.js';
import { createRedisLink, type Link } from './link.js';

export interface LinkUnderTest {
  readonly link: Link;
  readonly commands: Connection;
  /** Numbers heard per channel since `forget`, in order. */
  readonly heard: Map<string, string[]>;
  /** Channels that were reported as subscribed, in order. */
  readonly subscribed: string[];
  /** How often each channel was reported as synced. */
  readonly synced: Map<string, number>;
  readonly downs: string[];
  /** What it logged, at level info or above. */
  readonly said: string[];
  /** Publishes once to each channel; resolves when the link has heard all, and rejects with those it has not. */
  hearsAll(channels: readonly string[], deadlineMs?: number): Promise<void>;
  close(): void;
}

export const channelNames = (count: number): string[] => Array.from({ length: count }, (_, n) => `property:${n}`);
export const topicOf = (channel: string): string => channelKeys(DEFAULT_KEY_PREFIX, channel).topic;

export function openLink(url: string, probeIntervalMs = 3_000): LinkUnderTest {
  const commands = connect({ url, name: 'commands', onError: () => undefined });
  const heard = new Map<string, string[]>();
  const synced = new Map<string, number>();
  const subscribed: string[] = [];
  const downs: string[] = [];
  const said: string[] = [];
  const link = createRedisLink(
    {
      url,
      prefix: DEFAULT_KEY_PREFIX,
      node: 'under-test',
      commands,
      clock: systemClock,
      logger: createLogger('test', 'info', { write: (line) => void said.push(JSON.parse(line).msg) }),
      probeIntervalMs,
    },
    {
      onFrame: (channel, frame) => heard.set(channel, [...(heard.get(channel) ?? []), frame.toString()]),
      onSubscribed: (channels) => void subscribed.push(...channels),
      onSynced: (channels) => {
        for (const channel of channels) synced.set(channel, (synced.get(channel) ?? 0) + 1);
      },
      onDown: (reason) => void downs.push(reason),
    },
  );
  let serial = 0;
  return {
    link,
    commands,
    heard,
    subscribed,
    synced,
    downs,
    said,
    async hearsAll(channels, deadlineMs = 15_000) {
      serial += 1;
      const mark = `round ${serial}`;
      await Promise.all(channels.map((channel) => commands.spublish(topicOf(channel), mark)));
      const missing = () => channels.filter((channel) => !heard.get(channel)?.includes(mark));
      try {
        await eventually('hearing', () => missing().length === 0, { deadlineMs });
      } catch {
        const silent = missing();
        throw new Error(`${silent.length} of ${channels.length} channels are silent: ${silent.slice(0, 5).join(', ')}`);
      }
    },
    close() {
      link.close();
      commands.disconnect();
    },
  };
}

/** What nobody handled while `work` ran: a process would have ended of it. */
export async function unhandledDuring(work: () => Promise<void>): Promise<unknown[]> {
  const unhandled: unknown[] = [];
  const note = (error: unknown): void => void unhandled.push(error);
  process.on('unhandledRejection', note);
  try {
    await work();
    await new Promise((resolve) => setImmediate(resolve));
  } finally {
    process.off('unhandledRejection', note);
  }
  return unhandled;
}
