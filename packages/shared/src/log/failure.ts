/** What a failed call to Redis means to who called: something that passes, or a channel that is broken. */
import { ChannelBroken, LogUnavailable } from './log.js';

/** How Redis, and a script of ours in it, answers to a key of another type. */
const WRONG_TYPE = 'WRONGTYPE';

export function failureOf(what: string, cause: Error): ChannelBroken | LogUnavailable {
  if (cause instanceof ChannelBroken) return cause;
  const text = `${what}: ${cause.message}`;
  return isWrongType(cause) ? new ChannelBroken(text, { cause }) : new LogUnavailable(text, { cause });
}

export const isWrongType = ({ message }: Error): boolean => message.startsWith(WRONG_TYPE);
