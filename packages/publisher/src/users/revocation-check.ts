/**
 * Whether a token was revoked, asked of Redis for each: publishers see few tokens. Gateways, which see many, keep all
 * revocations in memory, and write what is read here: see cluster/revocations.ts there.
 */
import type { Identity } from '@belfry/shared/auth';
import { type Connection, clusterKeys } from '@belfry/shared/log';

/** Rejects where Redis cannot be asked: who cannot be checked is not let in. */
export type RevocationCheck = (identity: Identity) => Promise<boolean>;

export function createRevocationCheck(options: {
  readonly connection: Connection;
  readonly prefix: string;
}): RevocationCheck {
  const { connection } = options;
  const { revoked } = clusterKeys(options.prefix);

  return async ({ issuedAt, tokenId, userId }) => {
    const [ofUser, ofToken] = await connection.hmget(revoked, `user:${userId}`, `jti:${tokenId ?? ''}`);
    // Gateways take away what is over, by Redis' clock: a publisher whose own is ahead lets nobody in for that.
    const user = readEntry(ofUser);
    if (tokenId !== undefined && readEntry(ofToken)) return true;
    // A token that does not say when it was issued may have been issued before.
    return user !== undefined && (issuedAt === undefined || issuedAt <= user.at);
  };
}

function readEntry(text: string | null | undefined): { readonly at: number } | undefined {
  if (!text) return undefined;
  try {
    const { at, until } = JSON.parse(text) as { at?: unknown; until?: unknown };
    return typeof at === 'number' && typeof until === 'number' ? { at } : undefined;
  } catch {
    // As gateways see it: what is no revocation revokes nothing.
    return undefined;
  }
}
