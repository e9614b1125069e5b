/** Who a user is that asks the publisher: by their own token, as at a gateway. Revoked ones are refused here, too. */
import { FOR_OPERATORS, type Identity, type Verify } from '@belfry/shared/auth';
import { HttpError, type HttpRequest } from '../intake/http.js';
import type { RevocationCheck } from './revocation-check.js';

/** @throws HttpError */
export type Identify = (request: HttpRequest) => Promise<Identity>;

export function createIdentify(options: { readonly verify: Verify; readonly isRevoked: RevocationCheck }): Identify {
  const { isRevoked, verify } = options;
  return async (request) => {
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (!token) throw new HttpError('unauthorized', 'Send your token as `Authorization: Bearer <token>`.');
    const verification = await verify(token);
    if (!verification.ok) throw new HttpError('unauthorized', verification.message);
    if (verification.identity.operator) throw new HttpError('unauthorized', FOR_OPERATORS.message);
    if (await isRevoked(verification.identity)) throw new HttpError('unauthorized', 'The token has been revoked.');
    return verification.identity;
  };
}
