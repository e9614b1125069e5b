/** What can go wrong when the city is asked. Every failure has a code: it labels metrics and tells what to do next. */

/** `stale` is the city's own word that a replica lags, `stopped` our own end; everything else is a failure. */
const FAILURE_CODES = [
  'stale',
  'throttled',
  'not_ready',
  'server',
  'network',
  'timeout',
  'truncated',
  'too_large',
  'schema',
  'bad_query',
  'refused',
  'stopped',
  'unexpected',
] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

/** Codes after which the same request may succeed. */
const RETRIED: ReadonlySet<FailureCode> = new Set<FailureCode>([
  'stale',
  'throttled',
  'not_ready',
  'server',
  'network',
  'timeout',
  'truncated',
]);

export interface FailureDetails {
  readonly cause?: unknown;
  /** Milliseconds the city asked to wait. */
  readonly retryAfterMs?: number | undefined;
  /** The column that is missing, for `schema`. */
  readonly column?: string;
}

/** The city did not give what was asked for. Its message names the dataset and never holds the token. */
export class CityFailure extends Error {
  readonly code: FailureCode;
  readonly retryAfterMs: number | undefined;
  readonly column: string | undefined;

  constructor(code: FailureCode, message: string, details: FailureDetails = {}) {
    super(message, { cause: details.cause });
    this.name = 'CityFailure';
    this.code = code;
    this.retryAfterMs = details.retryAfterMs;
    this.column = details.column;
  }

  get retried(): boolean {
    return RETRIED.has(this.code);
  }
}

/** The code under which any error is counted. */
export const failureCode = (error: unknown): FailureCode => (error instanceof CityFailure ? error.code : 'unexpected');
