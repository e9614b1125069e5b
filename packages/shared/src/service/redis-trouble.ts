/**
 * Whether a failure says that Redis is away, or takes no writes, which both pass by themselves; or is a fault of ours. The
 * one place that knows: the log and every server that answers 503 ask here.
 */

export type RedisTrouble = 'away' | 'takes no writes';

/** What a part of ours throws once it has found that Redis did not answer, or refused for a reason that passes. */
export class RedisUnavailable extends Error {}

/** The client's own errors, which have neither a class nor a code in common. Node's, of a socket, have both: see below. */
const CLIENT_ERRORS = [
  'Reached the max retries per request limit',
  'Command timed out',
  'Command aborted due to connection close',
  'Connection is closed.',
  'Socket timeout.',
  "Stream isn't writeable",
  'All sentinels are unreachable',
  'None of startup nodes is available',
  'Failed to refresh slots cache.',
  'Too many Cluster redirections.',
  'No master node is available for the pipeline',
  'Cluster is disconnected.',
  'Cluster is disconnecting.',
  'Cluster is ended.',
  "Cluster isn't ready",
  'Node is disconnected',
  'BullMQ: cluster reconnect timed out',
];
/** Redis starts, changes its role, misses a part of its slots, or is held up by a script. */
const PASSING_REPLIES = /^(?:LOADING|READONLY|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|UNBLOCKED|BUSY) /;
/** Its memory is full, its last save failed, or too few of its replicas are there. */
const REFUSED_WRITES = /^(?:OOM|MISCONF|NOREPLICAS) /;
const SOCKET_CODES = new Set<unknown>([
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EPIPE',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EAI_AGAIN',
]);

/** Redis answers, and takes no writes. */
export const takesNoWrites = ({ message }: Error): boolean => REFUSED_WRITES.test(message);

/** Undefined where the failure says nothing of Redis, or that we asked for what cannot be. */
export function redisTrouble(error: unknown): RedisTrouble | undefined {
  if (!(error instanceof Error)) return undefined;
  if (error instanceof RedisUnavailable) return redisTrouble(error.cause) ?? 'away';
  if (takesNoWrites(error)) return 'takes no writes';
  const isAway = PASSING_REPLIES.test(error.message) || isOfClient(error) || isOfSocket(error);
  return isAway ? 'away' : troubleOfTransaction(error);
}

/**
 * For `error` events of connections to Redis: whether one was lost, or does not come about. What Redis itself replied is
 * none of it. No other sockets are heard there, so that a code is enough: a TLS handshake that is cut off names no system
 * call.
 */
export const saysConnectionLost = (error: Error): boolean => isOfClient(error) || hasSocketCode(error);

const isOfClient = ({ message }: Error): boolean => CLIENT_ERRORS.some((beginning) => message.startsWith(beginning));

const hasSocketCode = (error: Error): boolean => SOCKET_CODES.has((error as { code?: unknown }).code);

/** Who hangs up on us while we read a body has the same code: `syscall` is only with sockets that we have opened. */
const isOfSocket = (error: Error): boolean =>
  hasSocketCode(error) && typeof (error as { syscall?: unknown }).syscall === 'string';

/** EXECABORT itself does not say why: the commands' own refusals, which came before it, do. */
function troubleOfTransaction(error: Error): RedisTrouble | undefined {
  const { previousErrors } = error as { previousErrors?: unknown };
  if (!Array.isArray(previousErrors)) return undefined;
  return previousErrors.map(redisTrouble).find((trouble) => trouble !== undefined);
}

/** What whoever asked is told, beside 503, the code `unavailable` and Retry-After. */
export const REDIS_TROUBLE_SENTENCES: Readonly<Record<RedisTrouble, string>> = {
  away: 'Redis does not answer at the moment, and this cannot be done without it; try again after Retry-After',
  'takes no writes':
    'Redis takes no writes at the moment (memory or disk full, or too few replicas), and this needs one; try again after Retry-After',
};
