/** What a token says of itself. Only for showing and for asking in time: judging it is the gateway's. */

export interface TokenClaims {
  readonly userId: string;
  readonly role: string | undefined;
  /** Properties it names; empty for `"*"` and none. */
  readonly properties: readonly string[];
  /** Milliseconds since 1970. */
  readonly expiresAt: number | undefined;
}

/** @returns undefined where it is no JWT with a user */
export function readToken(token: string): TokenClaims | undefined {
  const [, payload] = token.trim().split('.');
  if (!payload) return undefined;
  try {
    const bytes = Uint8Array.from(atob(payload.replaceAll('-', '+').replaceAll('_', '/')), (c) => c.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
    const userId = claims.user_id ?? claims.sub;
    if (typeof userId !== 'string' || userId === '') return undefined;
    return {
      userId,
      role: typeof claims.role === 'string' ? claims.role.toUpperCase() : undefined,
      properties: Array.isArray(claims.properties) ? claims.properties.map(String) : [],
      expiresAt: typeof claims.exp === 'number' ? claims.exp * 1000 : undefined,
    };
  } catch {
    return undefined;
  }
}

export const isOver = ({ expiresAt }: TokenClaims): boolean => expiresAt !== undefined && expiresAt <= Date.now();

/** @returns what is wrong with a token that somebody brings, for people, as far as it can be seen from here */
export function tokenError(token: string): string | undefined {
  if (token.trim().split('.').length !== 3) return 'This is no token: a token has three parts, divided by dots.';
  const claims = readToken(token);
  if (!claims) return 'This is no token: it names no user.';
  return isOver(claims) ? 'This token has expired. Ask for a new one.' : undefined;
}
