/**
 * A channel of each user's own, with the least that lets its owner recover: it is subscribed at Redis and its position is
 * read, all that are asked for in one turn of the event loop together.
 */
import { channelKeys, connect, createRedisLog, DEFAULT_KEY_PREFIX } from '@belfry/shared/log';
import { type Position, userChannel } from '@belfry/shared/protocol';
import { Redis } from 'ioredis';
import { RETENTION } from '../contenders/retention.js';

/** What the gateway reads a channel with that comes alive. */
const POSITION_ONLY = { from: undefined, last: 0, snapshot: 'never' } as const;

/** @returns opens a user's channel, once */
export function openOwnChannels(): (user: string) => void {
  const { REDIS_URL: url = '' } = process.env;
  const subscriber = new Redis(url);
  const connection = connect({ url, name: 'bare', onError: fail });
  const log = createRedisLog({ connection, prefix: DEFAULT_KEY_PREFIX, retention: RETENTION });
  /** Where each stands; undefined until it is known. */
  const positions = new Map<string, Position | undefined>();
  let asked: string[] = [];

  async function open(channels: readonly string[]): Promise<void> {
    await subscriber.ssubscribe(...channels.map((channel) => channelKeys(DEFAULT_KEY_PREFIX, channel).topic));
    for (const channel of channels)
      log.read(channel, POSITION_ONLY).then(({ position }) => positions.set(channel, position), fail);
  }

  return (user) => {
    const channel = userChannel(user);
    if (positions.has(channel)) return;
    positions.set(channel, undefined);
    asked.push(channel);
    if (asked.length > 1) return;
    setImmediate(() => {
      const all = asked;
      asked = [];
      open(all).catch(fail);
    });
  };
}

function fail(error: Error): void {
  throw error;
}
