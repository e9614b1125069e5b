/** The token that the canary signs for itself: it may read the channel of its own name, and nothing else. */
import jsonwebtoken from 'jsonwebtoken';

/** Short, so that signing in again while connected is tried all the time. */
const TOKEN_SECONDS = 300;

export function signToken(
  secret: string,
  claims: { readonly CANARY_NAME: string; readonly JWT_ISSUER: string; readonly JWT_AUDIENCE: string },
): string {
  return jsonwebtoken.sign({ user_id: claims.CANARY_NAME }, secret, {
    algorithm: 'HS256',
    expiresIn: TOKEN_SECONDS,
    ...(claims.JWT_ISSUER ? { issuer: claims.JWT_ISSUER } : {}),
    ...(claims.JWT_AUDIENCE ? { audience: claims.JWT_AUDIENCE } : {}),
  });
}
