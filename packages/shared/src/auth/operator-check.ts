/**
 * Operators: their tokens are signed like clients', and meant for another audience. What a client's token may do on the
 * operators' port is nothing.
 */
import type { OperatorCheck } from '../service/index.js';
import type { Verify } from './verification.js';

/** The claim `aud` of operators' tokens. */
export const OPERATOR_AUDIENCE = 'belfry-operators';

/** @param verify accepts tokens for `OPERATOR_AUDIENCE` only */
export function createOperatorCheck(verify: Verify): OperatorCheck {
  return async (request) => {
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (!token) return { error: `send Authorization: Bearer <token>, a token with "aud": "${OPERATOR_AUDIENCE}"` };
    const verification = await verify(token);
    return verification.ok ? { operator: verification.identity.userId } : { error: verification.message };
  };
}
