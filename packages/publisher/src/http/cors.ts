/** Cross-origin requests of users' browsers. Tokens are sent in a header, never as a cookie, so no page can borrow them. */
import type { IncomingMessage, ServerResponse } from 'node:http';

const METHODS = 'GET, PUT';
const HEADERS = 'authorization, content-type';
const MAX_AGE_SECONDS = '600';

/**
 * Says in the answer's header whether the page may read it. @returns true where the request only asked for that, and has
 * been answered
 */
export type AllowOrigin = (request: IncomingMessage, response: ServerResponse) => boolean;

/** @param allowed origins as `https://dashboard.example`; `*` allows all */
export function createCors(allowed: readonly string[]): AllowOrigin {
  const origins = new Set(allowed);
  return (request, response) => {
    const { origin } = request.headers;
    if (origin !== undefined && (origins.has('*') || origins.has(origin))) {
      response.setHeader('access-control-allow-origin', origin);
      response.setHeader('vary', 'origin');
      response.setHeader('access-control-expose-headers', 'retry-after');
      response.setHeader('access-control-allow-methods', METHODS);
      response.setHeader('access-control-allow-headers', HEADERS);
      response.setHeader('access-control-max-age', MAX_AGE_SECONDS);
    }
    if (request.method !== 'OPTIONS') return false;
    response.writeHead(204).end();
    return true;
  };
}
