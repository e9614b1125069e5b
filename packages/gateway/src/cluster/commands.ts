/**
 * Commands to every gateway, with an answer from each. They go over the links, and the answers come back in a list; who
 * does not answer before the deadline is named. Nothing of this is on a client's connect path.
 */
import { randomUUID } from 'node:crypto';
import type { ClusterKeys, Connection } from '@belfry/shared/log';
import { type Clock, type Logger, OperatorError } from '@belfry/shared/service';
import type { Nodes } from './nodes.js';

export type CommandArguments = Readonly<Record<string, unknown>>;
/** What one gateway does for a command; its result must be JSON. */
export type CommandHandler = (args: CommandArguments) => unknown;

export interface CommandReply {
  readonly node: string;
  readonly result: unknown;
}

export interface CommandOutcome {
  readonly replies: readonly CommandReply[];
  /** Gateways that are alive and did not answer in time. */
  readonly missing: readonly string[];
}

export interface Commands {
  run(command: string, args?: CommandArguments): Promise<CommandOutcome>;
  /** A frame came in on the gateways' own topic. */
  receive(frame: Buffer): void;
}

export interface CommandsOptions {
  readonly node: string;
  /** Of this process and no other: what it has sent itself it does not answer. */
  readonly instance: string;
  readonly connection: Connection;
  readonly keys: ClusterKeys;
  readonly nodes: Pick<Nodes, 'list' | 'announce'>;
  readonly handlers: Readonly<Record<string, CommandHandler>>;
  readonly clock: Clock;
  readonly logger: Logger;
}

const DEADLINE_MS = 2_000;
const POLL_MS = 20;
const REPLIES_TTL_SECONDS = 30;

interface CommandFrame {
  readonly id: string;
  /** The instance that sent it. */
  readonly from: string;
  readonly command: string;
  readonly args: CommandArguments;
}

export function createCommands(options: CommandsOptions): Commands {
  const { clock, connection, handlers, instance, keys, logger, node } = options;

  function handle(command: string, args: CommandArguments): unknown {
    return Object.hasOwn(handlers, command) ? handlers[command]?.(args) : undefined;
  }

  async function answer({ args, command, id }: CommandFrame): Promise<void> {
    const reply = JSON.stringify({ node, result: (await handle(command, args)) ?? null });
    const list = keys.replies(id);
    await connection.pipeline().rpush(list, reply).expire(list, REPLIES_TTL_SECONDS).exec();
  }

  /** Where this gateway has been forgotten, so have the others: nobody is to be told that there are none. */
  async function announce(): Promise<void> {
    try {
      await options.nodes.announce();
    } catch (cause) {
      logger.warn({ err: cause }, 'Redis does not take which gateways there are');
      throw new OperatorError(503, 'unavailable', 'Redis does not take which gateways there are at the moment', 1);
    }
  }

  /** Waits for an answer of each of `expected`. */
  async function collect(id: string, expected: ReadonlySet<string>): Promise<CommandReply[]> {
    const deadline = clock.now() + DEADLINE_MS;
    for (;;) {
      const given = (await connection.lrange(keys.replies(id), 0, -1)).flatMap((text) => readReply(text) ?? []);
      // One each: a connection may write an answer again whose own was lost, and it must not count twice.
      const replies = new Map(given.map((reply) => [reply.node, reply]));
      if ([...expected].every((name) => replies.has(name)) || clock.now() > deadline) return [...replies.values()];
      await new Promise<void>((resolve) => clock.after(POLL_MS, resolve));
    }
  }

  return {
    async run(command, args = {}) {
      const alive = (await options.nodes.list()).map((info) => info.node);
      if (!alive.includes(node)) await announce();
      const others = new Set(alive.filter((name) => name !== node));
      const frame: CommandFrame = { id: randomUUID(), from: instance, command, args };
      // This gateway needs no link to hear itself.
      const own = { node, result: (await handle(command, args)) ?? null };
      if (others.size === 0) return { replies: [own], missing: [] };
      await connection.spublish(keys.topic, JSON.stringify(frame));
      const replies = await collect(frame.id, others);
      const answered = new Set(replies.map((reply) => reply.node));
      return { replies: [own, ...replies], missing: [...others].filter((name) => !answered.has(name)) };
    },
    receive(bytes) {
      const frame = readFrame(bytes);
      if (!frame) return logger.warn('a foreign frame on the gateways’ topic was ignored');
      if (frame.from === instance) return;
      answer(frame).catch((error: unknown) => logger.error({ err: error, command: frame.command }, 'command failed'));
    },
  };
}

function readReply(text: string): CommandReply | undefined {
  try {
    const reply = JSON.parse(text) as Partial<CommandReply> | null;
    return typeof reply?.node === 'string' ? (reply as CommandReply) : undefined;
  } catch {
    return undefined;
  }
}

function readFrame(bytes: Buffer): CommandFrame | undefined {
  try {
    const frame = JSON.parse(bytes.toString('utf8')) as Partial<CommandFrame> | null;
    const sound =
      typeof frame?.id === 'string' &&
      /^[\w-]{1,64}$/.test(frame.id) &&
      typeof frame.from === 'string' &&
      typeof frame.command === 'string' &&
      typeof frame.args === 'object' &&
      frame.args !== null;
    return sound ? (frame as CommandFrame) : undefined;
  } catch {
    return undefined;
  }
}
