/**
 * Commands to every gateway, with an answer from each. They go over the links, and the answers come back in a list; who
 * does not answer before the deadline is named. Nothing of this is on a client's connect path.
 */
import { randomUUID } from 'node:crypto';
import type { ClusterKeys, Connection } from '@belfry/shared/log';
import { type Clock, type Logger, OperatorError, REDIS_TROUBLE_SENTENCES, redisTrouble } from '@belfry/shared/service';
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
  /** Why nobody else was asked, where that is so. */
  readonly incomplete?: string | undefined;
}

export interface Commands {
  /** Rejects where Redis, over which the others are asked, is away: what is to be done is done everywhere, or refused. */
  run(command: string, args?: CommandArguments): Promise<CommandOutcome>;
  /** For what is only looked at: as `run`, but while Redis is away this gateway answers alone, and the outcome says so. */
  ask(command: string, args?: CommandArguments): Promise<CommandOutcome>;
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

  /** Where gateways have been forgotten because Redis takes nothing, nobody is to be told that there are none. */
  async function announce(): Promise<void> {
    try {
      await options.nodes.announce();
    } catch (cause) {
      logger.warn({ err: cause }, 'Redis does not take which gateways there are');
      if (redisTrouble(cause)) throw cause;
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

  /** This gateway needs no link to hear itself. */
  const own = async (command: string, args: CommandArguments): Promise<CommandReply> => ({
    node,
    result: (await handle(command, args)) ?? null,
  });

  async function run(command: string, args: CommandArguments = {}): Promise<CommandOutcome> {
    const alive = (await options.nodes.list()).map((info) => info.node);
    const others = new Set(alive.filter((name) => name !== node));
    // Others that beat a moment before this one are forgotten a moment before it.
    if (others.size === 0 || !alive.includes(node)) await announce();
    const frame: CommandFrame = { id: randomUUID(), from: instance, command, args };
    const first = await own(command, args);
    if (others.size === 0) return { replies: [first], missing: [] };
    await connection.spublish(keys.topic, JSON.stringify(frame));
    const replies = await collect(frame.id, others);
    const answered = new Set(replies.map((reply) => reply.node));
    return { replies: [first, ...replies], missing: [...others].filter((name) => !answered.has(name)) };
  }

  return {
    run,
    async ask(command, args = {}) {
      try {
        return await run(command, args);
      } catch (error) {
        return { replies: [await own(command, args)], missing: [], incomplete: whyAlone(node, error) };
      }
    },
    receive(bytes) {
      const frame = readFrame(bytes);
      if (!frame) return logger.warn('a foreign frame on the gateways’ topic was ignored');
      if (frame.from === instance) return;
      answer(frame).catch((error: unknown) => logger.error({ err: error, command: frame.command }, 'command failed'));
    },
  };
}

/** Why a gateway answers alone. @throws the failure itself where it is none of Redis' */
export function whyAlone(node: string, error: unknown): string {
  const trouble = redisTrouble(error);
  if (!trouble) throw error;
  return `only gateway ${node} is in this answer, the others cannot be asked: ${REDIS_TROUBLE_SENTENCES[trouble]}`;
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
