/**
 * Operators: their tokens are signed like clients', and meant for another audience. What a client's token may do on the
 * operators' port is nothing.
 */
import { GLOBAL_CHANNEL } from '../protocol/index.js';
import type { OperatorCheck } from '../service/index.js';
import { authorise } from './authorise.js';
import { type Identity, OPERATOR_AUDIENCE } from './identity.js';
import type { Verify } from './verification.js';
import { createVerifier, type VerifierOptions } from './verifier.js';

/** Operators' calls concern the whole cluster: what is asked is whether somebody may act where all events meet. */
const EVERYWHERE = { kind: 'global', id: '', channel: GLOBAL_CHANNEL } as const;
const NO_BOARDS = { properties: 'roles', boardReaders: new Map() } as const;

/**
 * @param verify accepts tokens for `OPERATOR_AUDIENCE` only
 * @param isRevoked whether a token that is good otherwise was revoked
 */
export function createOperatorCheck(
  verify: Verify,
  isRevoked: (identity: Identity) => boolean | Promise<boolean>,
): OperatorCheck {
  return async (request) => {
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (!token) return { error: `send Authorization: Bearer <token>, a token with "aud": "${OPERATOR_AUDIENCE}"` };
    const verification = await verify(token);
    if (!verification.ok) return { error: verification.message, undecided: verification.code === 'unavailable' };
    const { identity } = verification;
    if (!authorise(identity, 'operate', EVERYWHERE, NO_BOARDS))
      return { error: 'the token is not meant for operators' };
    if (await isRevoked(identity)) return { error: 'the token was revoked' };
    return { operator: identity.userId };
  };
}

export interface OperatorVerifierOptions extends Omit<VerifierOptions, 'audience'> {
  /** Whether operators' tokens are signed with a secret of their own: then neither the key set nor its issuer count. */
  readonly ownSecret: boolean;
}

/** Verifies what operators show: signed with their own secret where there is one, else like clients' tokens. */
export const createOperatorVerifier = ({ ownSecret, ...options }: OperatorVerifierOptions): Verify =>
  createVerifier({
    ...options,
    audience: OPERATOR_AUDIENCE,
    ...(ownSecret ? { keySetUrl: '', issuer: undefined } : {}),
  });
