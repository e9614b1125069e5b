/**
 * The first reading of a channel that comes alive on a gateway: its position and nothing else. All that are asked for in one
 * turn of the event loop go to Redis in calls of several channels: when many clients come at once, each with a channel
 * of its own, that is a quarter of what a call for each costs here. On a Cluster every channel has a call of its own.
 */
import { Redis } from 'ioredis';
import { type Position, parsePosition } from '../protocol/index.js';
import { takesNoWrites } from '../service/redis-trouble.js';
import type { Connection } from './connection.js';
import { failureOf } from './failure.js';
import { channelKeys } from './keys.js';
import { ChannelBroken, type ChannelReading, type ReadRequest } from './log.js';
import type { Reply, ScriptCommands } from './scripts.js';

export interface OpeningsOptions {
  readonly redis: Connection & ScriptCommands;
  readonly prefix: string;
  /** How long a log without events is kept. */
  readonly markTtlSeconds: number;
}

/** Each may get a log: so many keep Redis busy for about a millisecond. */
const MAX_CHANNELS_PER_CALL = 64;

const NONE: readonly never[] = [];

type Open = 'belfryOpen' | 'belfryOpenOnly';

interface Waiting {
  readonly channel: string;
  readonly resolve: (reading: ChannelReading) => void;
  readonly reject: (error: Error) => void;
}

/** Whether a request asks for a channel's position only. */
export const isOpening = ({ begin, from, last, snapshot }: ReadRequest): boolean =>
  from === undefined && last === 0 && snapshot === 'never' && begin !== false;

/** @throws ChannelBroken where the id is none that ours could follow: Redis is there, and waiting would not help */
export function positionIn(id: unknown): Position {
  const position = parsePosition(id);
  if (!position) throw new ChannelBroken(`the log's last entry has a foreign id, ${JSON.stringify(id)}`);
  return position;
}

export function createOpenings({
  markTtlSeconds,
  prefix,
  redis,
}: OpeningsOptions): (channel: string) => Promise<ChannelReading> {
  const together = redis instanceof Redis;
  let waiting: Waiting[] = [];

  function flush(): void {
    const all = waiting;
    waiting = [];
    for (let start = 0; start < all.length; start += MAX_CHANNELS_PER_CALL) {
      send(all.slice(start, start + MAX_CHANNELS_PER_CALL));
    }
  }

  function send(part: readonly Waiting[], open: Open = 'belfryOpen'): void {
    const keys: string[] = [];
    for (const { channel } of part) {
      const { log, meta } = channelKeys(prefix, channel);
      keys.push(log, meta);
    }
    redis[open](keys.length, keys, markTtlSeconds).then(
      (reply) => {
        const positions = reply as Reply[];
        part.forEach(({ reject, resolve }, n) => {
          try {
            resolve({ position: positionIn(positions[n]), continuous: false, entries: NONE, snapshot: undefined });
          } catch (error) {
            reject(error as Error);
          }
        });
      },
      (cause: Error) => {
        if (open === 'belfryOpen' && takesNoWrites(cause)) send(part, 'belfryOpenOnly');
        // One channel's trouble is not to be that of the others.
        else if (part.length > 1 && cause.name === 'ReplyError') for (const one of part) send([one], open);
        else for (const { reject } of part) reject(failureOf('the log does not answer', cause));
      },
    );
  }

  return (channel) =>
    new Promise((resolve, reject) => {
      const one: Waiting = { channel, resolve, reject };
      if (!together) return send([one]);
      if (waiting.length === 0) process.nextTick(flush);
      waiting.push(one);
    });
}
