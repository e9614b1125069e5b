/** What a client shows: a token, or a ticket that stands for one; good only while it is not revoked. */
import { FOR_OPERATORS, type Identity, refused, undecided, type Verification, type Verify } from '@belfry/shared/auth';
import type { Revocations } from './revocations.js';
import type { Tickets } from './tickets.js';

export interface CredentialParts {
  readonly verifyToken: Verify;
  readonly tickets: Tickets;
  readonly revocations: Pick<Revocations, 'isRevoked'>;
  readonly onFailure: (error: unknown) => void;
  /** Called with everybody who was found good. */
  readonly onGood?: (identity: Identity) => void;
}

/** Refuses what was revoked, and operators. Asked at the very end: a revocation may come while a key set is being fetched. */
function onlyClients(verify: Verify, revocations: Pick<Revocations, 'isRevoked'>): Verify {
  function unrevoked(verification: Verification): Verification {
    if (!verification.ok) return verification;
    if (verification.identity.operator) return FOR_OPERATORS;
    return revocations.isRevoked(verification.identity) ? refused('the token was revoked') : verification;
  }
  return (token) => {
    const verification = verify(token);
    return verification instanceof Promise ? verification.then(unrevoked) : unrevoked(verification);
  };
}

export function createCredentialCheck(parts: CredentialParts): Verify {
  const { revocations, tickets, verifyToken } = parts;
  const verify = onlyClients(verifyToken, revocations);

  function told(verification: Verification): Verification {
    if (verification.ok) parts.onGood?.(verification.identity);
    return verification;
  }
  const check: Verify = (token) => {
    const verification = verify(token);
    return verification instanceof Promise ? verification.then(told) : told(verification);
  };

  async function redeem(ticket: string): Promise<Verification> {
    try {
      const redeemed = await tickets.redeem(ticket);
      if (!('token' in redeemed)) return redeemed;
      const verification = await check(redeemed.token);
      return verification.ok ? { ...verification, token: redeemed.token } : verification;
    } catch (error) {
      parts.onFailure(error);
      return undecided('tickets cannot be checked at the moment');
    }
  }

  return (credential) => (tickets.isTicket(credential) ? redeem(credential) : check(credential));
}
