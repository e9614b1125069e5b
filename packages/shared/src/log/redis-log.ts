/** The channel log in Redis: one Lua call per append and per read. */
import { Redis } from 'ioredis';
import { formatPosition, frameOf, type Position, parsePosition } from '../protocol/index.js';
import { takesNoWrites } from '../service/redis-trouble.js';
import type { Connection } from './connection.js';
import { createCork } from './cork.js';
import { failureOf } from './failure.js';
import { channelKeys, idempotencyKey } from './keys.js';
import type { ChannelFacts, ChannelReading, LogEntry, LogKeeper, LogReader, LogWriter, ReadRequest } from './log.js';
import { createAppend } from './redis-append.js';
import { createOpenings, isOpening, positionIn } from './redis-openings.js';
import { markTtlSeconds, type Retention } from './retention.js';
import { type Reply, withScripts } from './scripts.js';

export interface RedisLogOptions {
  readonly connection: Connection;
  readonly prefix: string;
  readonly retention: Retention;
}

/** Pipelines of this many keys keep each stall of Redis under 10 ms. */
const KEYS_PER_PIPELINE = 500;
/** One call of this many takes Redis some tenths of a millisecond. */
const ENDS_PER_CALL = 100;

export function createRedisLog(options: RedisLogOptions): LogReader & LogWriter & LogKeeper {
  const { prefix, retention } = options;
  const redis = withScripts(options.connection);
  const cork = createCork(options.connection);

  async function ask<T, R>(call: () => Promise<T>, understand: (reply: T) => R): Promise<R> {
    cork();
    return unavailableOnFailure(async () => understand(await call()));
  }

  const seconds = markTtlSeconds(retention);
  const open = createOpenings({ redis, prefix, markTtlSeconds: seconds });

  function read(channel: string, request: ReadRequest): Promise<ChannelReading> {
    return isOpening(request) ? open(channel) : readOne(channel, request);
  }

  async function readOne(channel: string, request: ReadRequest): Promise<ChannelReading> {
    const keys = channelKeys(prefix, channel);
    const from = request.from ? formatPosition(request.from) : '';
    const args = [
      ...[keys.log, keys.meta, keys.snapshot],
      ...[from, request.last, request.snapshot, request.begin === false ? 0 : seconds],
    ];
    return ask(
      () =>
        redis.belfryRead(3, ...args).catch((error: Error) => {
          if (!takesNoWrites(error)) throw error;
          return redis.belfryReadOnly(3, ...args);
        }),
      readingOf,
    );
  }

  async function positions(channels: readonly string[]): Promise<(Position | undefined)[]> {
    const found: (Position | undefined)[] = [];
    for (let start = 0; start < channels.length; start += KEYS_PER_PIPELINE) {
      const logs = channels.slice(start, start + KEYS_PER_PIPELINE).map((channel) => channelKeys(prefix, channel).log);
      found.push(
        ...(await ask(
          () => Promise.all(inCalls(logs).map((keys) => redis.belfryEnds(keys.length, keys))),
          (replies) => replies.flatMap((ends) => (ends as string[]).map(parsePosition)),
        )),
      );
    }
    return found;
  }

  /** On a Cluster, where logs lie in different slots, every one has a call of its own. */
  function inCalls(logs: readonly string[]): readonly string[][] {
    const size = options.connection instanceof Redis ? ENDS_PER_CALL : 1;
    return Array.from({ length: Math.ceil(logs.length / size) }, (_, n) => logs.slice(n * size, (n + 1) * size));
  }

  async function keep(channels: readonly string[]): Promise<void> {
    for (let start = 0; start < channels.length; start += KEYS_PER_PIPELINE) {
      const part = channels.slice(start, start + KEYS_PER_PIPELINE);
      const keys = part.map((channel) => channelKeys(prefix, channel));
      // GT: what lasts longer, or for ever, stays as it is.
      await ask(
        () =>
          Promise.all(
            keys.flatMap(({ log, meta, snapshot }) =>
              [log, meta, snapshot].map((key) => redis.expire(key, seconds, 'GT')),
            ),
          ),
        () => undefined,
      );
    }
  }

  const append = createAppend({ redis, prefix, retention });

  const facts: LogWriter['facts'] = async ({ channel, lane, fields, from = 'facts', idempotencyKeys }) => {
    const keys = channelKeys(prefix, channel);
    const all = [keys.meta, keys[from], ...idempotencyKeys.map((key) => idempotencyKey(prefix, channel, key))];
    return ask(() => redis.belfryFacts(all.length, ...all, lane, ...fields), factsOf);
  };

  const applied: LogWriter['applied'] = (channel, intakeIds) =>
    ask(
      () => redis.xrange(channelKeys(prefix, channel).log, '-', '+'),
      (rows) => {
        const wanted = new Set(intakeIds);
        const found = new Map<string, string[]>();
        for (const [id, fields] of rows) {
          const [, body, , intakeId] = fields;
          if (body === undefined || intakeId === undefined || !wanted.has(intakeId)) continue;
          const frames = found.get(intakeId) ?? [];
          frames.push(frameOf(id, body));
          found.set(intakeId, frames);
        }
        return found;
      },
    );

  return { read, positions, keep, append, facts, applied };
}

/** Also where the answer is not to be understood: Redis holds what anybody wrote who could. */
async function unavailableOnFailure<T>(call: () => Promise<T>): Promise<T> {
  try {
    return await call();
  } catch (cause) {
    throw failureOf('the log does not answer', cause as Error);
  }
}

function readingOf(reply: Reply): ChannelReading {
  const [top, continuous, rows, snapshot] = reply as [string, number, string[], string[] | null];
  const position = positionIn(top);
  const entries: LogEntry[] = [];
  for (let n = 0; n + 1 < rows.length; n += 2) {
    const id = rows[n] as string;
    const body = rows[n + 1] as string;
    const at = parsePosition(id);
    if (at) entries.push({ position: at, frame: body === '' ? undefined : frameOf(id, body) });
  }
  return {
    position,
    continuous: continuous === 1,
    entries,
    snapshot: snapshot ? snapshot.filter((_, index) => index % 2 === 1) : undefined,
  };
}

function factsOf(reply: Reply): ChannelFacts {
  const [applied, values, seen] = reply as [string, (string | null)[], number[]];
  return { applied, values: values.map((value) => value ?? undefined), seen: seen.map((times) => times > 0) };
}
