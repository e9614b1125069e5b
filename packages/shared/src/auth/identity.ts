/** Who a token says its bearer is. */

/** The claim `aud` of operators' tokens. */
export const OPERATOR_AUDIENCE = 'belfry-operators';

/** Roles that mean something here. A token may name another, or none: it then has only what every signed-in user has. */
export const ROLES = ['ADMIN', 'HR', 'MANAGER', 'LANDLORD'] as const;

export interface Identity {
  readonly userId: string;
  /** As the token spells it, in capitals. */
  readonly role: string | undefined;
  /** The properties that the token names; `all` for `"*"`. */
  readonly properties: 'all' | ReadonlySet<string>;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  /** When the token was issued, in seconds since 1970, where it says so. */
  readonly issuedAt: number | undefined;
  /** The token's `jti`, by which it can be revoked. */
  readonly tokenId: string | undefined;
  /** The token is meant for operators: its bearer acts, and reads no channel. */
  readonly operator?: boolean;
}
