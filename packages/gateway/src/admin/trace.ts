/**
 * A trace: the frames of one user, in and out, on whichever gateways the user is connected, for a bounded time. Tokens are
 * cut out. Frames go through a stream in Redis to the gateway that the operator asks.
 */
import { randomUUID } from 'node:crypto';
import type { ClusterKeys, Connection } from '@belfry/shared/log';
import { type Clock, type Logger, readStored } from '@belfry/shared/service';
import type { Frame } from '../channels/subscriber.js';
import type { CommandArguments, Commands } from '../cluster/commands.js';
import type { Session } from '../session/session.js';

export interface Traces {
  /** Starts on this gateway what an operator asked for on some gateway. */
  start(args: CommandArguments): number;
  /** Frames of a user, from all gateways, until the time is over. */
  follow(commands: Commands, user: string, seconds: number): AsyncIterable<unknown>;
  /** A frame was published to everybody who follows a channel. */
  published(channel: string, frame: Frame): void;
}

export interface TracesOptions {
  readonly node: string;
  readonly connection: Connection;
  readonly keys: ClusterKeys;
  readonly sessions: () => Iterable<Session>;
  readonly clock: Clock;
  readonly logger: Logger;
}

export const MAX_TRACE_SECONDS = 300;
const MAX_FRAMES = 10_000;
const MAX_FRAME_LENGTH = 2_000;
const POLL_MS = 100;

export function createTraces(options: TracesOptions): Traces {
  const { clock, connection, keys, logger, node } = options;
  /** Users traced here, and the streams their frames go to. */
  const traced = new Map<string, Set<string>>();

  function record(user: string, fields: Readonly<Record<string, unknown>>): void {
    for (const stream of traced.get(user) ?? []) {
      const frame = JSON.stringify({ time: clock.now() / 1000, node, ...fields });
      connection
        .pipeline()
        .xadd(stream, 'MAXLEN', '~', MAX_FRAMES, '*', 'd', frame)
        // Frames may come after the operator has gone, or has removed the stream.
        .expire(stream, MAX_TRACE_SECONDS)
        .exec()
        .catch((error: unknown) => logger.debug({ err: error }, 'a traced frame was not recorded'));
    }
  }

  /** Watches a user's sessions, those who come later included, by looking again every second. */
  function watch(user: string): () => void {
    const attach = (): void => {
      for (const session of options.sessions()) {
        if (session.identity?.userId !== user || session.trace) continue;
        session.trace = (direction, text) =>
          record(user, { connection_id: session.id, direction, frame: withoutToken(text).slice(0, MAX_FRAME_LENGTH) });
      }
    };
    attach();
    return clock.every(1_000, attach);
  }

  function detach(user: string): void {
    for (const session of options.sessions()) if (session.identity?.userId === user) session.trace = undefined;
  }

  return {
    start({ id, seconds, user }) {
      const stream = keys.trace(String(id));
      const name = String(user);
      const streams = traced.get(name) ?? new Set();
      traced.set(name, streams.add(stream));
      const stopWatching = watch(name);
      clock.after(Math.min(Number(seconds), MAX_TRACE_SECONDS) * 1_000, () => {
        stopWatching();
        streams.delete(stream);
        if (streams.size > 0) return;
        traced.delete(name);
        detach(name);
      });
      return [...options.sessions()].filter(({ identity }) => identity?.userId === name).length;
    },
    published(channel, frame) {
      if (traced.size === 0) return;
      for (const session of options.sessions()) {
        if (session.trace && session.subscriptions.has(channel)) session.trace('out', textOf(frame));
      }
    },
    async *follow(commands, user, seconds) {
      const id = randomUUID();
      const stream = keys.trace(id);
      const until = clock.now() + seconds * 1_000;
      const outcome = await commands.run('trace', { id, user, seconds });
      yield { tracing: user, seconds, replies: outcome.replies, missing: outcome.missing };
      let last = '-';
      while (clock.now() < until) {
        const rows = await connection.xrange(stream, last === '-' ? '-' : `(${last}`, '+', 'COUNT', 500);
        for (const [at, [, text]] of rows) {
          last = at;
          const frame = readStored<object>(text, 'trace', () => true);
          if (frame) yield frame;
        }
        if (rows.length === 0) await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
      }
      await connection.del(stream);
    },
  };
}

const withoutToken = (text: string): string => text.replace(/("token"\s*:\s*")[^"]*/g, '$1[redacted]');
const textOf = (frame: Frame): string => (typeof frame === 'string' ? frame : Buffer.from(frame).toString('utf8'));
