/** Tokens signed with a secret (HS256). Two secrets are accepted, so that one can be replaced while the other is in use. */
import { createSecretKey, type KeyObject } from 'node:crypto';
import jsonwebtoken from 'jsonwebtoken';
import {
  CLOCK_TOLERANCE_SECONDS,
  EXPIRED,
  identityOf,
  MAX_TOKEN_LENGTH,
  refused,
  type Verification,
} from './verification.js';

export interface SecretVerifierOptions {
  /** The current secret first, then the previous one. */
  readonly secrets: () => readonly string[];
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

export function createSecretVerifier(options: SecretVerifierOptions): (token: string) => Verification {
  // Given text, jsonwebtoken first tries to read a public key from it for every token: ten times what the rest costs.
  let keys: ReadonlyMap<string, KeyObject> = new Map();
  function keyOf(secret: string): KeyObject {
    const known = keys.get(secret);
    if (known) return known;
    // Only those in use: a secret that was replaced is not kept.
    keys = new Map(options.secrets().map((each) => [each, createSecretKey(Buffer.from(each))]));
    return keys.get(secret) ?? createSecretKey(Buffer.from(secret));
  }

  return (token) => {
    if (token.length > MAX_TOKEN_LENGTH) return refused('the token is longer than 4096 characters');
    let last: Verification = refused('no key is configured');
    for (const secret of options.secrets()) {
      last = verifyWith(keyOf(secret), token, options);
      if (last.ok || last.code === 'token_expired') return last;
    }
    return last;
  };
}

function verifyWith(secret: KeyObject, token: string, options: SecretVerifierOptions): Verification {
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
      return EXPIRED;
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
