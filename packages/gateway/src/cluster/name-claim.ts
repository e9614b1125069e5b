/**
 * A gateway's claim to its name. Two that ran under one would take each other's commands for their own and erase each other's
 * presence, in silence; so the name is held in Redis by one process at a time. Who comes later waits as long as a gateway
 * that was killed may go on holding it, and is then refused.
 */
import type { ClusterKeys, Connection } from '@belfry/shared/log';
import { type Clock, ConfigurationError, type Logger } from '@belfry/shared/service';

export interface NameClaimOptions {
  readonly connection: Connection;
  readonly keys: Pick<ClusterKeys, 'owner' | 'rival'>;
  readonly node: string;
  /** Unique: of this process and no other. */
  readonly instance: string;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Somebody else has the name: this gateway has to go. */
  readonly onLost: (reason: string) => void;
  /** Somebody else wanted it, and was refused. */
  readonly onRival: () => void;
}

export interface NameClaim {
  /** Gives the name back: whoever comes next need not wait. */
  close(): Promise<void>;
}

const RENEW_MS = 1_000;
/** Two renewals may be lost. Who was killed holds its name for this long. */
const HELD_MS = 3_500;
/** How long an answer of Redis is waited for at the start. Where Redis is away, nobody can be asked. */
const ANSWER_MS = 1_000;
const RETRY_MS = 250;
/** How long the holder may take to hear of a rival. */
const RIVAL_MS = 60_000;

/** Takes a free name or renews one's own: '' then, or who else wanted it; where somebody else holds it, 'taken'. */
const TAKE = `#!lua
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then
  redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
  return 'taken'
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
local rival = redis.call('GET', KEYS[2])
if not rival or rival == ARGV[1] then return '' end
redis.call('DEL', KEYS[2])
return rival
`;
/** Also by who goes while Redis is full: it takes nothing more there. */
const RELEASE = `#!lua flags=allow-oom
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
`;

/**
 * Resolves once the name is this process's; also where Redis cannot be asked: it goes on asking.
 * @throws ConfigurationError where another gateway runs under the name
 */
export async function claimName(options: NameClaimOptions): Promise<NameClaim> {
  const { clock, connection, instance, keys, logger, node } = options;
  const owner = keys.owner(node);
  const sleep = (ms: number): Promise<undefined> => new Promise((resolve) => clock.after(ms, () => resolve(undefined)));

  /** Undefined where Redis does not answer. */
  async function take(): Promise<string | undefined> {
    try {
      return String(await connection.eval(TAKE, 2, owner, keys.rival(node), instance, HELD_MS, RIVAL_MS));
    } catch (error) {
      logger.debug({ err: error }, 'the claim to the name of this gateway cannot be renewed');
      return undefined;
    }
  }

  let answer = await Promise.race([take(), sleep(ANSWER_MS)]);
  if (answer === 'taken') {
    logger.warn({ node }, 'another gateway holds this name; waiting in case it was killed');
    const deadline = clock.now() + HELD_MS + RENEW_MS;
    while (answer === 'taken' && clock.now() < deadline) {
      await sleep(RETRY_MS);
      answer = await Promise.race([take(), sleep(ANSWER_MS)]);
    }
  }
  if (answer === 'taken') throw new ConfigurationError(takenMessage(node));

  let ended = false;
  let knownRival = '';
  /** Until when one that was killed may hold it; undefined once it was this process's. Where Redis could not be asked, that is yet to be heard. */
  let waitsUntil = answer === undefined ? clock.now() + HELD_MS + RENEW_MS : undefined;
  async function renew(): Promise<void> {
    const renewed = await take();
    if (ended || renewed === undefined) return;
    if (renewed === 'taken' && waitsUntil !== undefined && clock.now() < waitsUntil) return;
    waitsUntil = undefined;
    if (renewed === '' || renewed === knownRival) return;
    if (renewed === 'taken') {
      ended = true;
      logger.fatal({ node, code: 'node_name_taken' }, takenMessage(node));
      options.onLost(takenMessage(node));
      return;
    }
    knownRival = renewed;
    logger.error(
      { node, code: 'node_name_taken' },
      'another gateway was started with this one’s NODE_NAME; it is refused',
    );
    options.onRival();
  }
  const stop = clock.every(RENEW_MS, () => void renew());

  return {
    async close() {
      ended = true;
      stop();
      await connection.eval(RELEASE, 1, owner, instance);
    },
  };
}

const takenMessage = (node: string): string =>
  `NODE_NAME=${JSON.stringify(node)} is taken: another gateway runs under this name; each needs one of its own`;
