/**
 * HS256 and an expiry, checked with nothing but node:crypto: the least that a server which asks for tokens can do. The
 * servers beside Belfry authenticate with it, so that none is slow for its token library's sake.
 */
import { createHmac, createSecretKey, timingSafeEqual } from 'node:crypto';

const key = createSecretKey(Buffer.from(process.env.JWT_SECRET ?? ''));

/** The user's name; undefined for a token that is not good. */
export function verifyToken(token: string): string | undefined {
  const end = token.lastIndexOf('.');
  const expected = createHmac('sha256', key).update(token.slice(0, end)).digest();
  const given = Buffer.from(token.slice(end + 1), 'base64url');
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return undefined;
  const claims = JSON.parse(Buffer.from(token.slice(token.indexOf('.') + 1, end), 'base64url').toString()) as {
    user_id: string;
    exp: number;
  };
  return claims.exp > Date.now() / 1000 ? claims.user_id : undefined;
}
