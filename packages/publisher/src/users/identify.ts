/** Who a user is that asks the publisher: by their own token, as at a gateway. Revoked ones are refused here, too. */
import { FOR_OPERATORS, type Identity, type Verify } from '@belfry/shared/auth';
import type { Budgets } from '@belfry/shared/service';
import { HttpError, type HttpRequest } from '../http/server.js';
import type { RevocationCheck } from './revocation-check.js';

/** @param cost of what is asked for, of what a user may ask; default: 1 @throws HttpError */
export type Identify = (request: HttpRequest, cost?: number) => Promise<Identity>;

export function createIdentify(options: {
  readonly verify: Verify;
  readonly isRevoked: RevocationCheck;
  /** Of each user. */
  readonly requests: Budgets;
}): Identify {
  const { isRevoked, requests, verify } = options;
  return async (request, cost = 1) => {
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (!token) throw new HttpError('unauthorized', 'Send your token as `Authorization: Bearer <token>`.');
    const verification = await verify(token);
    if (!verification.ok) {
      throw new HttpError(verification.code === 'unavailable' ? 'unavailable' : 'unauthorized', verification.message);
    }
    if (verification.identity.operator) throw new HttpError('unauthorized', FOR_OPERATORS.message);
    const waitMs = requests.take(verification.identity.userId, cost);
    if (waitMs > 0) throw new HttpError('rate_limited', 'Rate limit exceeded.', {}, Math.ceil(waitMs / 1_000));
    if (await isRevoked(verification.identity)) throw new HttpError('unauthorized', 'The token has been revoked.');
    return verification.identity;
  };
}
