/**
 * Appends to channels in Redis. What is called in one turn of the event loop goes to Redis in calls of several channels:
 * at tens of thousands of events a second a call's own cost, here and there, is more than that of an event. On a Cluster,
 * where channels lie in different slots, every channel has a call of its own.
 */
import { Redis } from 'ioredis';
import { GLOBAL_CHANNEL } from '../protocol/index.js';
import type { Connection } from './connection.js';
import { failureOf } from './failure.js';
import { channelKeys, idempotencyKey } from './keys.js';
import { type AppendEntry, type AppendOutcome, type AppendRequest, LogUnavailable, type NewEvent } from './log.js';
import { type Retention, snapshotTtlSeconds } from './retention.js';
import type { Reply, ScriptCommands } from './scripts.js';

export type Append = (request: AppendRequest) => Promise<AppendOutcome>;

export interface AppendOptions {
  readonly redis: Connection & ScriptCommands;
  readonly prefix: string;
  readonly retention: Retention;
}

/** A call of this many channels with an event each keeps Redis busy for a third of a millisecond. */
const MAX_CHANNELS_PER_CALL = 32;
const MAX_ENTRIES_PER_CALL = 64;

interface Waiting {
  readonly request: AppendRequest;
  readonly resolve: (outcome: AppendOutcome) => void;
  readonly reject: (error: Error) => void;
}

export function createAppend({ prefix, redis, retention }: AppendOptions): Append {
  const together = redis instanceof Redis;
  let waiting: Waiting[] = [];

  function flush(): void {
    const all = waiting;
    waiting = [];
    let start = 0;
    let entries = 0;
    for (const [n, { request }] of all.entries()) {
      const full = n - start === MAX_CHANNELS_PER_CALL || entries + request.entries.length > MAX_ENTRIES_PER_CALL;
      const differs = all[start]?.request.generations !== request.generations;
      if (n > start && (full || differs)) {
        send(all.slice(start, n));
        start = n;
        entries = 0;
      }
      entries += request.entries.length;
    }
    send(start === 0 ? all : all.slice(start));
  }

  function send(part: readonly Waiting[]): void {
    call(part).then(
      (replies) => {
        for (const [n, { reject, resolve }] of part.entries()) {
          try {
            resolve(outcomeOf(replies[n] as Reply[]));
          } catch (cause) {
            reject(new LogUnavailable('the answer to an append cannot be understood', { cause }));
          }
        }
      },
      (cause: Error) => {
        // One channel's trouble is not to be that of the others. Repeating what was done already is harmless.
        if (part.length > 1 && cause.name === 'ReplyError') for (const one of part) send([one]);
        else for (const { reject } of part) reject(failureOf('no append', cause));
      },
    );
  }

  function call(part: readonly Waiting[]): Promise<Reply[]> {
    const keys: string[] = [];
    const args: (string | number)[] = [
      part[0]?.request.generations?.join() ?? '',
      retention.logTtlSeconds,
      retention.idempotencyTtlSeconds,
      part.length,
    ];
    for (const { request } of part) addRequest(request, keys, args);
    // As two arrays, which ioredis flattens: spreading hundreds of arguments would copy them three times more.
    return redis.belfryAppend(keys.length, keys, args) as Promise<Reply[]>;
  }

  function addRequest(request: AppendRequest, keys: string[], args: (string | number)[]): void {
    const { channel, entries } = request;
    const { facts, log, meta, snapshot, topic } = channelKeys(prefix, channel);
    keys.push(log, meta, snapshot, facts, topic);
    args.push(
      channel === GLOBAL_CHANNEL ? retention.maxGlobalEvents : retention.maxEvents,
      snapshotTtlSeconds(channel, retention),
      `v${request.lane}`,
      request.expected ?? '',
      hashesWritten(entries),
      entries.length,
    );
    for (const entry of entries) {
      const entryFacts = entry.facts ? Object.entries(entry.facts) : [];
      args.push(entry.intakeId, entry.idempotencyKey ? 1 : 0, entry.events.length, entryFacts.length);
      for (const event of entry.events) args.push(snapshotChange(event), event.body);
      for (const [field, value] of entryFacts) args.push(field, value);
      if (entry.idempotencyKey) keys.push(idempotencyKey(prefix, channel, entry.idempotencyKey));
    }
  }

  return (request) =>
    new Promise((resolve, reject) => {
      const one: Waiting = { request, resolve, reject };
      if (!together) return send([one]);
      if (waiting.length === 0) process.nextTick(flush);
      waiting.push(one);
    });
}

/** Which hashes the script will write to: it has to make sure before it writes anything that they are none of another type. */
function hashesWritten(entries: readonly AppendEntry[]): '' | 'snapshot' | 'facts' | 'both' {
  const snapshot = entries.some(({ events }) => events.some(({ key }) => key));
  const facts = entries.some((entry) => entry.facts);
  if (snapshot) return facts ? 'both' : 'snapshot';
  return facts ? 'facts' : '';
}

/** As the script reads it. */
const snapshotChange = ({ key, removes }: NewEvent): string => (key ? `${removes ? '-' : '+'}${key}` : '');

function outcomeOf(reply: Reply[]): AppendOutcome {
  const [status, second, results] = reply as [string, number | string, string[]];
  if (status === 'conflict') return { status, applied: String(second) };
  if (status === 'fenced') return { status, generation: String(second) };
  return {
    status: 'ok',
    epochChanged: second === 1,
    results: results.map((ids) => (ids === '' ? undefined : ids === '-' ? [] : ids.split(','))),
  };
}
