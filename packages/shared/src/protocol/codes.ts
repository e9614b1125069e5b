/**
 * Every error code and close code, once. PROTOCOL.md's tables are written from here, and a test keeps them equal.
 */

/** What an ERROR's `code` can be, and what its reader can do about it. */
export const ERROR_CODES = {
  bad_message: 'The frame is not one JSON object, or a field has the wrong type or is missing.',
  unknown_type: 'There is no message of this `type`.',
  not_authenticated: 'Send AUTHENTICATE first.',
  token_invalid: 'The token is malformed, forged, or signed with a key or algorithm that is not accepted.',
  token_expired: 'The token was good once; fetch a new one.',
  forbidden: 'The token does not allow this.',
  bad_channel: 'The channel or property does not match the grammar of names.',
  too_many_subscriptions: 'This connection holds as many channels as it may; unsubscribe from some first.',
  rate_limited: 'Rate limit exceeded; try again after `retry_after_ms`.',
  unavailable:
    'What this needs cannot be read or written at the moment; try again after `retry_after_ms`, over HTTP after `Retry-After`.',
  internal: 'Something failed on the server; it has been logged.',
} as const;
export type ErrorCode = keyof typeof ERROR_CODES;

/** What a client does after a close. */
export type AfterClose = 'stop' | 'new_token' | 'reconnect_after_delay' | 'reconnect_with_backoff';

export interface CloseCode {
  readonly code: number;
  readonly reason: string;
  readonly client: AfterClose;
}

/** Every close code that a gateway sends. The hundreds tell the client what to do: see `afterClose`. */
export const CLOSE_CODES = {
  badProtocol: { code: 4000, reason: 'bad protocol', client: 'stop' },
  forbiddenOrigin: { code: 4001, reason: 'forbidden origin', client: 'stop' },
  disconnectedByOperator: { code: 4002, reason: 'disconnected by an operator', client: 'stop' },
  authenticationTimeout: { code: 4100, reason: 'no authentication in time', client: 'new_token' },
  tokenExpired: { code: 4101, reason: 'token expired', client: 'new_token' },
  tokenRevoked: { code: 4102, reason: 'token revoked', client: 'new_token' },
  tokenInvalid: { code: 4103, reason: 'token invalid', client: 'new_token' },
  goingAway: { code: 4200, reason: 'going away', client: 'reconnect_after_delay' },
  slowConsumer: { code: 4201, reason: 'slow consumer', client: 'reconnect_after_delay' },
  rateLimited: { code: 4202, reason: 'rate limited', client: 'reconnect_after_delay' },
  tooManyConnections: { code: 4203, reason: 'too many connections', client: 'reconnect_after_delay' },
  maximumAge: { code: 4204, reason: 'maximum age', client: 'reconnect_after_delay' },
  noHeartbeat: { code: 4205, reason: 'no heartbeat', client: 'reconnect_after_delay' },
} as const satisfies Record<string, CloseCode>;

/** What to do after a close with `code`, for codes of this registry and any other (1006, a proxy's own …). */
export function afterClose(code: number): AfterClose {
  if (code >= 4000 && code < 4100) return 'stop';
  if (code >= 4100 && code < 4200) return 'new_token';
  if (code >= 4200 && code < 4300) return 'reconnect_after_delay';
  return 'reconnect_with_backoff';
}
