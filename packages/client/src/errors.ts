/** The one error of the SDK: a code to act on, a sentence to show, and the channel it is about. */
import type { ErrorCode } from '@belfry/shared/protocol';

/**
 * Besides the gateway's codes: `token` getToken failed · `bad_frame` the gateway sent what is no message · `transport`
 * the connection could not be opened · `poll` the fallback failed · `storage` a position could not be kept · `handler` a
 * handler or listener threw · `unsubscribed` the gateway took the channel away · `closed` the client was closed.
 */
export type BelfryErrorCode =
  | ErrorCode
  | 'token'
  | 'bad_frame'
  | 'transport'
  | 'poll'
  | 'storage'
  | 'handler'
  | 'unsubscribed'
  | 'closed';

export class BelfryError extends Error {
  readonly code: BelfryErrorCode;
  readonly channel: string | undefined;

  constructor(code: BelfryErrorCode, message: string, details: { channel?: string | undefined; cause?: unknown } = {}) {
    super(message, details);
    this.name = 'BelfryError';
    this.code = code;
    this.channel = details.channel;
  }
}

export type Report = (error: BelfryError) => void;

/** Wraps whatever was thrown; its message is kept, for it says most. */
export const wrap = (code: BelfryErrorCode, cause: unknown, channel?: string): BelfryError =>
  new BelfryError(code, cause instanceof Error ? cause.message : String(cause), { channel, cause });
