/**
 * What comes of verifying a token. Whatever the keys are: tokens are verified locally, and algorithm and keys are chosen
 * by configuration, never by the token.
 */
import { isChannelId } from '../protocol/index.js';
import { type Identity, OPERATOR_AUDIENCE } from './identity.js';

export interface Verified {
  readonly ok: true;
  readonly identity: Identity;
  /** The token, where something that stands for one was verified and can be used only once. */
  readonly token?: string;
}
export interface Refused {
  readonly ok: false;
  /** `unavailable`: what it takes to tell cannot be had at the moment, and the token may well be good. */
  readonly code: 'token_invalid' | 'token_expired' | 'unavailable';
  /** For the client; says nothing of keys. */
  readonly message: string;
}
export type Verification = Verified | Refused;

/** At once where the keys are at hand and the algorithm is synchronous; never rejects. */
export type Verify = (token: string) => Verification | Promise<Verification>;

/**
 * Signatures of longer tokens are not even looked at. It holds some 700 properties. Proxies often pass on headers
 * of no more than 8 KB: longer tokens come in a frame.
 */
export const MAX_TOKEN_LENGTH = 12_288;
/** RFC 8725 leaves the leeway open; clocks kept by NTP differ by far less. */
export const CLOCK_TOLERANCE_SECONDS = 5;
/** What one token may list; more properties than that belong behind `"*"` and a policy. */
const MAX_PROPERTIES = 10_000;

/**
 * RFC 8725, section 3.11: an issuer signs other things than access tokens with the same key, as notices of a logout, and says
 * so in `typ`. Most say JWT, or nothing.
 */
export const isAccessToken = (typ: unknown): boolean =>
  typ === undefined || (typeof typ === 'string' && /^(application\/)?(at\+)?jwt$/i.test(typ));
export const OTHER_TYPE: Refused = { ok: false, code: 'token_invalid', message: 'the token is not an access token' };

export const refused = (message: string): Refused => ({ ok: false, code: 'token_invalid', message });
export const undecided = (message: string): Refused => ({ ok: false, code: 'unavailable', message });
export const TOO_LONG: Refused = refused(`the token is longer than ${MAX_TOKEN_LENGTH} characters`);
/** Where clients and users show their tokens: an operator's is for the operators' ports alone. */
export const FOR_OPERATORS: Refused = refused('the token is meant for operators');
export const EXPIRED: Refused = { ok: false, code: 'token_expired', message: 'the token has expired; fetch a new one' };

/** JSON rounds larger numbers, and several ids become one: of two users, or of two properties. */
const INEXACT = refused(
  'ids in `user_id`, `sub` and `properties` must be strings where they are no whole numbers below 2^53',
);

/** Who the claims of a good signature name; a refusal where they name nobody, or are not what they should be. */
export function identityOf(claims: Readonly<Record<string, unknown>>): Verification {
  const userId = claims.user_id ?? claims.sub;
  const name = idOf(userId);
  if (!isChannelId(name)) {
    if (typeof userId === 'number') return INEXACT;
    return refused('the token needs a claim `user_id` or `sub` of 1 to 64 letters, digits, "_" or "-"');
  }
  if (typeof claims.exp !== 'number') return refused('the token needs a claim `exp`');
  if (isNoTime(claims.exp)) return refused('the claim `exp` is not a time');
  // Issued after all time, it would outlive every revocation of its user.
  if (isNoTime(claims.iat)) return refused('the claim `iat` is not a time');
  if (claims.role !== undefined && !isChannelId(claims.role)) return refused('the claim `role` is not a name');
  const properties = propertiesOf(claims.properties);
  if (!properties) {
    const inexact = Array.isArray(claims.properties) && claims.properties.some(isInexact);
    return inexact ? INEXACT : refused('the claim `properties` must be a list of property ids, or "*"');
  }
  return {
    ok: true,
    identity: {
      userId: name,
      role: claims.role?.toUpperCase(),
      properties,
      expiresAt: claims.exp,
      issuedAt: typeof claims.iat === 'number' ? claims.iat : undefined,
      tokenId: typeof claims.jti === 'string' ? claims.jti : undefined,
      operator:
        claims.aud === OPERATOR_AUDIENCE || (Array.isArray(claims.aud) && claims.aud.includes(OPERATOR_AUDIENCE)),
    },
  };
}

/** What JSON makes of 1e999 is a number, too. Fractions of seconds are allowed: RFC 7519, section 2. */
const isNoTime = (claim: unknown): boolean => typeof claim === 'number' && claim > Number.MAX_SAFE_INTEGER;
const isInexact = (id: unknown): boolean => typeof id === 'number' && !Number.isSafeInteger(id);
const idOf = (id: unknown): unknown => (Number.isSafeInteger(id) ? String(id) : id);

const NONE: ReadonlySet<string> = new Set();

function propertiesOf(claim: unknown): 'all' | ReadonlySet<string> | undefined {
  if (claim === undefined) return NONE;
  if (claim === '*') return 'all';
  if (!Array.isArray(claim) || claim.length > MAX_PROPERTIES) return undefined;
  const ids = claim.map(idOf);
  return ids.every(isChannelId) ? new Set(ids) : undefined;
}
