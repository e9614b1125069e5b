/** Tokens signed with an issuer's private key, verified with its public ones. */
import { errors, type JWTVerifyResult, jwtVerify } from 'jose';
import type { FindKey, KeySet } from './key-set.js';
import {
  CLOCK_TOLERANCE_SECONDS,
  EXPIRED,
  identityOf,
  isAccessToken,
  MAX_TOKEN_LENGTH,
  OTHER_TYPE,
  refused,
  TOO_LONG,
  undecided,
  type Verification,
} from './verification.js';

/** One family: with a shared secret among them a public key could be mistaken for one. */
export const KEY_SET_ALGORITHMS = ['RS256', 'ES256', 'EdDSA'] as const;
export type KeySetAlgorithm = (typeof KEY_SET_ALGORITHMS)[number];

export interface KeySetVerifierOptions {
  readonly keySet: KeySet;
  readonly algorithms: readonly KeySetAlgorithm[];
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly onFailure: (error: unknown) => void;
}

export function createKeySetVerifier(options: KeySetVerifierOptions): (token: string) => Promise<Verification> {
  const { keySet } = options;

  function verified(token: string, keys: FindKey): Promise<JWTVerifyResult> {
    return jwtVerify(token, keys, {
      algorithms: [...options.algorithms],
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(options.now()),
      ...(options.issuer ? { issuer: options.issuer } : {}),
      ...(options.audience ? { audience: options.audience } : {}),
    });
  }

  return async (token) => {
    if (token.length > MAX_TOKEN_LENGTH) return TOO_LONG;
    try {
      const { payload, protectedHeader } = await verified(token, await keySet.keys()).catch(async (error: unknown) => {
        if (error instanceof errors.JWKSNoMatchingKey) return verified(token, await keySet.refreshed());
        throw error;
      });
      return isAccessToken(protectedHeader.typ) ? identityOf(payload) : OTHER_TYPE;
    } catch (error) {
      if (error instanceof errors.JWTExpired) return EXPIRED;
      if (error instanceof errors.JOSEError) return refused(reasonOf(error));
      options.onFailure(error);
      return undecided('the token cannot be verified at the moment');
    }
  };
}

/** In words of our own, without anything that quotes the token. */
function reasonOf(error: errors.JOSEError): string {
  if (error instanceof errors.JWKSNoMatchingKey) return 'the token is signed with a key that is not known';
  if (error instanceof errors.JOSEAlgNotAllowed) return 'the token is not signed with an accepted algorithm';
  if (error instanceof errors.JWSSignatureVerificationFailed) return 'the token’s signature does not fit';
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.claim === 'iss') return 'the token comes from another issuer';
    if (error.claim === 'aud') return 'the token is meant for another audience';
    if (error.claim === 'nbf') return 'the token is not valid yet';
  }
  return 'the token is malformed';
}
