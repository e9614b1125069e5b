/** Tokens for tests: right ones, and every kind of wrong one. */
import { createSecretKey } from 'node:crypto';
import jwt, { type Algorithm } from 'jsonwebtoken';

/** What `startGateway` uses unless told otherwise; long enough for production's rules. */
export const TEST_SECRET = 'a-secret-that-only-tests-know-0123456789abcdef';
const DEFAULT_LIFETIME_SECONDS = 3600;

export interface TokenOptions {
  /** The shared secret, or a PEM private key. Default: `TEST_SECRET`. */
  readonly secret?: string;
  /** Negative: expired already. null: a token without `exp`. Default: one hour. */
  readonly expiresInSeconds?: number | null;
  /** `none` makes an unsigned token. Default: HS256. */
  readonly algorithm?: Algorithm;
  /** Into the header. */
  readonly keyId?: string;
}

/** A signed token with these claims and `iat` and `exp`. `exp` among the claims wins over `expiresInSeconds`. */
export function mintToken(claims: Readonly<Record<string, unknown>>, options: TokenOptions = {}): string {
  const { secret = TEST_SECRET, expiresInSeconds = DEFAULT_LIFETIME_SECONDS, algorithm = 'HS256', keyId } = options;
  const now = Math.floor(Date.now() / 1000);
  const expiry = expiresInSeconds === null ? {} : { exp: now + expiresInSeconds };
  const key = algorithm.startsWith('HS') ? createSecretKey(Buffer.from(secret)) : secret;
  return jwt.sign({ iat: now, ...expiry, ...claims }, algorithm === 'none' ? '' : key, {
    algorithm,
    ...(keyId === undefined ? {} : { keyid: keyId }),
    // Tests sign with keys that the library would refuse as too weak.
    allowInsecureKeySizes: true,
  });
}

/** A token for the operators' port. */
export const mintOperatorToken = (operator = 'operator', options: TokenOptions = {}): string =>
  mintToken({ user_id: operator, aud: 'belfry-operators' }, options);
