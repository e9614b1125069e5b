/** The operators' calls as a table: method, path, what it does. Every one needs a token, every change leaves an audit line. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Logger } from './logger.js';
import { hasHungUp, type OperatorHandler, sendJson } from './operator-server.js';
import { redisTrouble } from './redis-trouble.js';

/** Who calls, or why not. */
export type OperatorCheck = (request: IncomingMessage) => Promise<
  | { readonly operator: string }
  /** `undecided`: it could not be checked, and may be good later. */
  | { readonly error: string; readonly undecided?: boolean }
>;

/** An operator's mistake: answered with 400, 404 or 429, a code and a sentence. */
export class OperatorError extends Error {
  readonly status: number;
  readonly code: string;
  /** Sent as Retry-After. */
  readonly retryAfterSeconds: number | undefined;
  constructor(status: number, code: string, message: string, retryAfterSeconds?: number) {
    super(message);
    this.status = status;
    this.code = code;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export interface OperatorCall {
  readonly operator: string;
  readonly query: URLSearchParams;
  /** What stands in the path for `{id}`. */
  readonly id: string;
  /** The JSON object of the body; empty where there was none. */
  readonly body: Readonly<Record<string, unknown>>;
}

export interface OperatorRoute {
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** `{id}` stands for one segment. */
  readonly path: string;
  readonly text: string;
  /** Whether it leaves an audit line though it changes nothing: it shows what people get. Default: false. */
  readonly audited?: boolean;
  /** The answer, as JSON; an async iterable is answered line by line while it lasts. */
  readonly run: (call: OperatorCall) => Promise<unknown>;
}

const MAX_BODY_BYTES = 65_536;

export function operatorRoutes(options: {
  readonly routes: readonly OperatorRoute[];
  readonly check: OperatorCheck;
  readonly logger: Logger;
}): OperatorHandler {
  const { check, logger, routes } = options;

  return async (request, response, url) => {
    const found = routes.flatMap((route) => {
      const id = route.method === request.method ? match(route.path, url.pathname) : undefined;
      return id === undefined ? [] : [{ route, id }];
    })[0];
    if (!found) return false;
    const checked = await check(request);
    if ('error' in checked) {
      if (checked.undecided) {
        response.setHeader('retry-after', 1);
        sendJson(response, 503, { code: 'unavailable', message: checked.error });
        return true;
      }
      response.setHeader('www-authenticate', 'Bearer');
      sendJson(response, 401, { code: 'not_authenticated', message: checked.error });
      return true;
    }
    const { id, route } = found;
    const { operator } = checked;
    let body: OperatorCall['body'] = {};
    /** Also of what failed: half of it may have been done. */
    const audit = (outcome: Readonly<Record<string, unknown>>): void => {
      if (route.method === 'GET' && !route.audited) return;
      const asked = route.method === 'GET' ? Object.fromEntries(url.searchParams) : body;
      const call = `${route.method} ${route.path}`;
      logger.info({ audit: true, operator, call, id, body: asked, ...outcome }, 'operator acted');
    };
    try {
      if (route.method === 'POST') body = await readBody(request).catch(refuseHangUp);
      const result = await route.run({ operator, query: url.searchParams, id, body });
      if (isIterable(result)) await sendLines(response, result, () => audit({}));
      else {
        audit({ result });
        sendJson(response, 200, result);
      }
    } catch (error) {
      if (!(error instanceof OperatorError)) {
        audit({ failed: redisTrouble(error) ? 'unavailable' : 'internal' });
        // Answered, 503 or 500, where every call's failures are.
        throw error;
      }
      audit({ failed: error.code });
      if (error.retryAfterSeconds !== undefined) response.setHeader('retry-after', error.retryAfterSeconds);
      sendJson(response, error.status, { code: error.code, message: error.message });
    }
    return true;
  };
}

/**
 * Line by line, while it lasts. The first is waited for before the status: what cannot begin is answered with why.
 * @param onBegun what goes on for a while is noted when it begins
 */
async function sendLines(response: ServerResponse, result: AsyncIterable<unknown>, onBegun: () => void): Promise<void> {
  const lines = result[Symbol.asyncIterator]();
  let line = await lines.next();
  onBegun();
  response.writeHead(200, { 'content-type': 'application/x-ndjson' });
  for (; !line.done; line = await lines.next()) {
    if (response.write(`${JSON.stringify(line.value)}\n`) || !response.destroyed) continue;
    await lines.return?.();
    break;
  }
  response.end();
}

/** What `{id}` stands for; empty where the path has none; undefined where the two do not match. */
function match(pattern: string, path: string): string | undefined {
  const [before, after] = pattern.split('{id}');
  if (after === undefined) return pattern === path ? '' : undefined;
  if (!path.startsWith(before as string) || !path.endsWith(after)) return undefined;
  const id = path.slice((before as string).length, path.length - after.length);
  return /^[\w.-]{1,128}$/.test(id) ? id : undefined;
}

/** Who hangs up is no failure of ours. */
function refuseHangUp(error: unknown): never {
  throw hasHungUp(error) ? new OperatorError(400, 'bad_request', 'the request ended before its body did') : error;
}

async function readBody(request: IncomingMessage): Promise<Record<string, unknown>> {
  let text = '';
  // A letter may come in two chunks.
  request.setEncoding('utf8');
  for await (const chunk of request) {
    text += chunk;
    if (text.length > MAX_BODY_BYTES)
      throw new OperatorError(413, 'too_large', `a body may have ${MAX_BODY_BYTES} bytes`);
  }
  if (text === '') return {};
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch {
    throw new OperatorError(400, 'bad_request', 'the body is not JSON');
  }
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) {
    throw new OperatorError(400, 'bad_request', 'the body must be one JSON object');
  }
  return { ...parsed };
}

const isIterable = (value: unknown): value is AsyncIterable<unknown> =>
  typeof value === 'object' && value !== null && Symbol.asyncIterator in value;

/** A field of the body, or of the query, that has to be text. */
export function requiredText(value: unknown, name: string, pattern = /^[\w:.-]{1,128}$/): string {
  if (typeof value === 'string' && pattern.test(value)) return value;
  throw new OperatorError(400, 'bad_request', `${name} must be text that matches ${pattern.source}`);
}

/** A number within its range, or the default where it is missing. */
export function numberIn(value: unknown, name: string, range: { min: number; max: number; default: number }): number {
  if (value === undefined || value === null || value === '') return range.default;
  const number = Number(value);
  if (Number.isFinite(number) && number >= range.min && number <= range.max) return number;
  throw new OperatorError(400, 'bad_request', `${name} must be a number from ${range.min} to ${range.max}`);
}
