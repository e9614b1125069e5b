/** Who a user is that asks the publisher: by their own token, as at a gateway. Revoked ones are refused here, too. */
import type { Identity, Verify } from '@belfry/shared/auth';
import { type Connection, clusterKeys } from '@belfry/shared/log';
import type { Clock } from '@belfry/shared/service';
import { HttpError, type HttpRequest } from '../intake/http.js';

/** @throws HttpError */
export type Identify = (request: HttpRequest) => Promise<Identity>;

export function createIdentify(options: {
  readonly verify: Verify;
  readonly connection: Connection;
  readonly prefix: string;
  readonly clock: Clock;
}): Identify {
  const { clock, connection, verify } = options;
  const { revoked } = clusterKeys(options.prefix);

  /** As gateways write it: see cluster/revocations.ts there. */
  async function isRevoked({ issuedAt, tokenId, userId }: Identity): Promise<boolean> {
    const [ofUser, ofToken] = await connection.hmget(revoked, `user:${userId}`, `jti:${tokenId ?? ''}`);
    const now = clock.now() / 1_000;
    const user = readEntry(ofUser);
    const token = readEntry(ofToken);
    if (tokenId !== undefined && token && token.until > now) return true;
    return user !== undefined && user.until > now && (issuedAt === undefined || issuedAt <= user.at);
  }

  return async (request) => {
    const token = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (!token) throw new HttpError('unauthorized', 'Send your token as `Authorization: Bearer <token>`.');
    const verification = await verify(token);
    if (!verification.ok) throw new HttpError('unauthorized', verification.message);
    if (await isRevoked(verification.identity)) throw new HttpError('unauthorized', 'The token has been revoked.');
    return verification.identity;
  };
}

function readEntry(text: string | null | undefined): { readonly at: number; readonly until: number } | undefined {
  if (!text) return undefined;
  try {
    const { at, until } = JSON.parse(text) as { at?: unknown; until?: unknown };
    return typeof at === 'number' && typeof until === 'number' ? { at, until } : undefined;
  } catch {
    // As gateways see it: what is no revocation revokes nothing.
    return undefined;
  }
}
