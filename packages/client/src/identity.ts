/**
 * Which tabs may share a connection: those that show the same gateways a token of the same user with the same rights. The
 * application's name for it is not enough: somebody may sign in as somebody else in the next tab.
 */
import type { Token } from './tokens.js';

/** Raised when tabs of the version before could not follow what is said. */
const VERSION = 2;
/** Claims that differ between two tokens of one sign-in. */
const OF_ONE_TOKEN = ['exp', 'iat', 'nbf', 'jti', 'auth_time'];

/** A name that says nothing to whoever reads it, and is the same in every tab that may share. */
export async function sharedName(name: string, urls: readonly string[], token: Token): Promise<string> {
  const text = JSON.stringify([VERSION, name, urls, rightsOf(token)]);
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', new TextEncoder().encode(text)));
  return `belfry:${Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

/** The claims of a JWT but for its times. Of any other token only the very same one is known to be the same user's. */
function rightsOf(token: Token): unknown {
  const [, payload = '', signature] = token?.split('.') ?? [];
  if (signature === undefined) return token;
  try {
    const bytes = Uint8Array.from(atob(payload.replace(/-/g, '+').replace(/_/g, '/')), (char) => char.charCodeAt(0));
    const claims = JSON.parse(new TextDecoder().decode(bytes)) as Readonly<Record<string, unknown>>;
    return Object.entries(claims)
      .filter(([claim]) => !OF_ONE_TOKEN.includes(claim))
      .sort(([a], [b]) => (a < b ? -1 : 1));
  } catch {
    return token;
  }
}
