/** What an upgrade request says: the credential it brings, and whether the page may that sends it. */
import { BEARER_SUBPROTOCOL_PREFIX, SUBPROTOCOL } from '@belfry/shared/protocol';

/** The parts of a request, read at once: uWebSockets.js takes them away after the handler's first turn. */
export interface UpgradeRequest {
  readonly origin: string;
  readonly authorization: string;
  readonly protocols: string;
  readonly tokenInQuery: string | undefined;
  readonly cookies: string;
}

export interface Credential {
  readonly token: string | undefined;
  /** The subprotocol to answer with; undefined when none was offered that is spoken here. */
  readonly protocol: string | undefined;
}

const NONE: readonly string[] = [];

/**
 * Header, subprotocol, query, cookie: the first that is there counts.
 * @param cookie finds the token in the cookies of a request that may be believed
 */
export function credentialOf(request: UpgradeRequest, cookie: CookieReader): Credential {
  const offered = request.protocols === '' ? NONE : request.protocols.split(',').map((protocol) => protocol.trim());
  const bearer = offered.find((protocol) => protocol.startsWith(BEARER_SUBPROTOCOL_PREFIX));
  const inHeader = request.authorization === '' ? undefined : /^Bearer +(\S+)$/i.exec(request.authorization)?.[1];
  return {
    token:
      inHeader ??
      bearer?.slice(BEARER_SUBPROTOCOL_PREFIX.length) ??
      (request.tokenInQuery || undefined) ??
      cookie(request.cookies, request.origin),
    // The token is never echoed: a client that offers only a bearer gets it unanswered.
    protocol: offered.includes(SUBPROTOCOL) ? SUBPROTOCOL : undefined,
  };
}

/** @param fetchSite the request's Sec-Fetch-Site, which pages cannot set; empty where there is none */
export type CookieReader = (cookies: string, origin: string, fetchSite?: string) => string | undefined;

/**
 * Browsers send cookies wherever a page makes them connect to, so a cookie counts only from a page whose origin is named,
 * never where every origin is allowed. A page's own GET requests bring no origin; then the browser has to say that they
 * are of the same one.
 * @param name of the cookie; empty for none
 */
export function createCookieReader(name: string, allowedOrigins: readonly string[]): CookieReader {
  const origins = new Set(allowedOrigins);
  return (cookies, origin, fetchSite = '') => {
    const believed = origin === '' ? fetchSite === 'same-origin' : origins.has(origin);
    if (name === '' || !believed || cookies === '') return undefined;
    const parts = cookies.split(';').map((part) => part.trim());
    return parts.find((part) => part.startsWith(`${name}=`))?.slice(name.length + 1) || undefined;
  };
}

export type OriginCheck = (origin: string) => boolean;

/** Exact match. A request without an origin comes from no browser, and cannot be made by a foreign page. */
export function createOriginCheck(allowed: readonly string[]): OriginCheck {
  const origins = new Set(allowed);
  return (origin) => origin === '' || origins.has('*') || origins.has(origin);
}
