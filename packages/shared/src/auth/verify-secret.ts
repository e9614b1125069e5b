/**
 * Tokens signed with a secret (HS256). Two secrets are accepted, so that one can be replaced while the other is in use.
 * By hand and on node:crypto alone: when ten thousand clients come at once, verifying is most of what authentication
 * costs, and a general library takes four times as long as the signature itself.
 */
import { createHmac, createSecretKey, type KeyObject, timingSafeEqual } from 'node:crypto';
import {
  CLOCK_TOLERANCE_SECONDS,
  EXPIRED,
  identityOf,
  isAccessToken,
  MAX_TOKEN_LENGTH,
  OTHER_TYPE,
  type Refused,
  refused,
  TOO_LONG,
  type Verification,
} from './verification.js';

export interface SecretVerifierOptions {
  /** The current secret first, then the previous one. */
  readonly secrets: () => readonly string[];
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

/** RFC 7515's compact form, its signature perhaps empty. Node's decoder alone would let much else pass. */
const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]*)$/;
const MALFORMED = refused('the token is malformed');
const UNACCEPTED = refused('the token is not signed with an accepted algorithm');
const FORGED = refused('the token’s signature does not fit');

/** Of 32 bytes, as base64url. */
const SIGNATURE_LENGTH = 43;
/** Used up before the next token's turn. */
const EXPECTED = Buffer.alloc(SIGNATURE_LENGTH);
const GIVEN = Buffer.alloc(SIGNATURE_LENGTH);

type Json = Readonly<Record<string, unknown>>;

export function createSecretVerifier(options: SecretVerifierOptions): (token: string) => Verification {
  let keys: ReadonlyMap<string, KeyObject> = new Map();
  function keyOf(secret: string): KeyObject {
    const known = keys.get(secret);
    if (known) return known;
    // Only those in use: a secret that was replaced is not kept.
    keys = new Map(options.secrets().map((each) => [each, createSecretKey(Buffer.from(each))]));
    return keys.get(secret) ?? createSecretKey(Buffer.from(secret));
  }
  /** The tokens of one issuer begin alike. */
  let knownHeader = '';

  return (token) => {
    if (token.length > MAX_TOKEN_LENGTH) return TOO_LONG;
    const [, header, payload, signature] = COMPACT.exec(token) ?? [];
    if (header === undefined || payload === undefined || signature === undefined) return MALFORMED;
    if (header !== knownHeader) {
      const wrong = refusalOfHeader(header);
      if (wrong) return wrong;
      knownHeader = header;
    }
    const secrets = options.secrets();
    if (secrets.length === 0) return refused('no key is configured');
    const signed = token.slice(0, header.length + 1 + payload.length);
    if (!secrets.some((secret) => fits(signature, signed, keyOf(secret)))) return FORGED;
    const claims = readJson(payload);
    return claims ? verifyClaims(claims, options) : refused('the token’s payload is not an object');
  };
}

/** The algorithm is ours to choose, never the token's. */
function refusalOfHeader(text: string): Refused | undefined {
  const header = readJson(text);
  if (!header) return MALFORMED;
  if (header.alg !== 'HS256') return UNACCEPTED;
  if (!isAccessToken(header.typ)) return OTHER_TYPE;
  // RFC 7515: extensions that must be understood, and that nobody here understands.
  return header.crit === undefined ? undefined : MALFORMED;
}

/** Compared as text: there is more than one text for the same bytes, and only one is right. */
function fits(signature: string, signed: string, key: KeyObject): boolean {
  if (signature.length !== SIGNATURE_LENGTH) return false;
  EXPECTED.write(createHmac('sha256', key).update(signed).digest('base64url'), 'latin1');
  GIVEN.write(signature, 'latin1');
  return timingSafeEqual(GIVEN, EXPECTED);
}

/** RFC 7519, sections 4.1.1 to 4.1.5. */
function verifyClaims(claims: Json, { audience, issuer, now }: SecretVerifierOptions): Verification {
  const seconds = Math.floor(now() / 1000);
  const { aud, exp, iss, nbf } = claims;
  if (nbf !== undefined && typeof nbf !== 'number') return MALFORMED;
  if (nbf !== undefined && nbf > seconds + CLOCK_TOLERANCE_SECONDS) return refused('the token is not valid yet');
  if (exp !== undefined && typeof exp !== 'number') return MALFORMED;
  if (exp !== undefined && seconds >= exp + CLOCK_TOLERANCE_SECONDS) return EXPIRED;
  if (audience && !(Array.isArray(aud) ? aud : [aud]).includes(audience)) {
    return refused('the token is meant for another audience');
  }
  if (issuer && iss !== issuer) return refused('the token comes from another issuer');
  return identityOf(claims);
}

/** The object that base64url text holds; undefined where it holds none. */
function readJson(text: string): Json | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Json) : undefined;
  } catch {
    return undefined;
  }
}
