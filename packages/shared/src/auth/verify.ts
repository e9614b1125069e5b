/**
 * Tokens are verified locally, with an algorithm and keys chosen by configuration and never by the token. Two secrets
 * are accepted, so that one can be replaced while tokens of the other are still about.
 */
import jsonwebtoken from 'jsonwebtoken';
import { isChannelId } from '../protocol/index.js';
import type { Identity } from './identity.js';

export interface Verified {
  readonly ok: true;
  readonly identity: Identity;
}
export interface Refused {
  readonly ok: false;
  readonly code: 'token_invalid' | 'token_expired';
  /** For the client; says nothing of keys. */
  readonly message: string;
}
export type Verification = Verified | Refused;

export type Verify = (token: string) => Verification;

export interface VerifierOptions {
  /** The current secret first, then the previous one. */
  readonly secrets: readonly string[];
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** Signatures of longer tokens are not even looked at; a header of 4 KB is the most that an upgrade may bring anyway. */
const MAX_TOKEN_LENGTH = 4_096;
/** RFC 8725 leaves the leeway open; clocks kept by NTP differ by far less. */
const CLOCK_TOLERANCE_SECONDS = 5;
/** What one token may list; more properties than that belong behind `"*"` and a policy. */
const MAX_PROPERTIES = 10_000;

export function createVerifier(options: VerifierOptions): Verify {
  return (token) => {
    if (token.length > MAX_TOKEN_LENGTH) return refused('the token is longer than 4096 characters');
    let last: Verification = refused('no key is configured');
    for (const secret of options.secrets) {
      last = verifyWith(secret, token, options);
      if (last.ok || last.code === 'token_expired') return last;
    }
    return last;
  };
}

function verifyWith(secret: string, token: string, options: VerifierOptions): Verification {
  try {
    const claims = jsonwebtoken.verify(token, secret, {
      algorithms: ['HS256'],
      clockTimestamp: Math.floor(options.now() / 1000),
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      ...(options.issuer ? { issuer: options.issuer } : {}),
      ...(options.audience ? { audience: options.audience } : {}),
    });
    return typeof claims === 'string' ? refused('the token’s payload is not an object') : identityOf(claims);
  } catch (error) {
    if (error instanceof jsonwebtoken.TokenExpiredError) {
      return { ok: false, code: 'token_expired', message: 'the token has expired; fetch a new one' };
    }
    return refused(error instanceof Error ? reasonOf(error) : 'the token cannot be read');
  }
}

/** jsonwebtoken's own words, without anything that quotes the token. */
function reasonOf(error: Error): string {
  if (error instanceof jsonwebtoken.NotBeforeError) return 'the token is not valid yet';
  if (error.message.startsWith('jwt issuer')) return 'the token comes from another issuer';
  if (error.message.startsWith('jwt audience')) return 'the token is meant for another audience';
  if (error.message === 'invalid algorithm' || error.message === 'jwt signature is required') {
    return 'the token is not signed with an accepted algorithm';
  }
  if (error.message === 'invalid signature') return 'the token’s signature does not fit';
  return 'the token is malformed';
}

function identityOf(claims: Readonly<Record<string, unknown>>): Verification {
  const userId = claims.user_id ?? claims.sub;
  const name = typeof userId === 'number' ? String(userId) : userId;
  if (!isChannelId(name)) {
    return refused('the token needs a claim `user_id` or `sub` of 1 to 64 letters, digits, "_" or "-"');
  }
  if (typeof claims.exp !== 'number') return refused('the token needs a claim `exp`');
  if (claims.role !== undefined && !isChannelId(claims.role)) return refused('the claim `role` is not a name');
  const properties = propertiesOf(claims.properties);
  if (!properties) return refused('the claim `properties` must be a list of property ids, or "*"');
  return {
    ok: true,
    identity: {
      userId: name,
      role: claims.role?.toUpperCase(),
      properties,
      expiresAt: claims.exp,
      tokenId: typeof claims.jti === 'string' ? claims.jti : undefined,
    },
  };
}

const NONE: ReadonlySet<string> = new Set();

function propertiesOf(claim: unknown): 'all' | ReadonlySet<string> | undefined {
  if (claim === undefined) return NONE;
  if (claim === '*') return 'all';
  if (!Array.isArray(claim) || claim.length > MAX_PROPERTIES) return undefined;
  const ids = claim.map((id: unknown) => (typeof id === 'number' ? String(id) : id));
  return ids.every(isChannelId) ? new Set(ids) : undefined;
}

const refused = (message: string): Refused => ({ ok: false, code: 'token_invalid', message });
