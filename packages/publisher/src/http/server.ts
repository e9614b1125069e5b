/**
 * The publisher's HTTP server: who may come in, how much they may send, what they are told when something is wrong. What
 * the paths mean is said by whoever brings the routes.
 */
import { isUtf8 } from 'node:buffer';
import { createHash, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type ServerResponse } from 'node:http';
import { hasHungUp, type Logger, listenAt, REDIS_TROUBLE_SENTENCES, redisTrouble, urlOf } from '@belfry/shared/service';
import { createCors } from './cors.js';

/** What is answered when a request fails, with `code` in the body. */
export const HTTP_ERRORS = {
  bad_request: 400,
  unauthorized: 401,
  forbidden: 403,
  not_found: 404,
  method_not_allowed: 405,
  too_large: 413,
  unsupported_media_type: 415,
  too_many_requests: 429,
  rate_limited: 429,
  internal: 500,
  unavailable: 503,
} as const;
export type HttpErrorCode = keyof typeof HTTP_ERRORS;

/** A request that cannot be answered as it was meant. */
export class HttpError extends Error {
  readonly code: HttpErrorCode;
  /** More fields of the answer's body. */
  readonly fields: Readonly<Record<string, unknown>>;
  /** When to come again, where it is known. */
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: HttpErrorCode,
    message: string,
    fields: Readonly<Record<string, unknown>> = {},
    retryAfterSeconds?: number,
  ) {
    super(message);
    this.code = code;
    this.fields = fields;
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

export interface HttpRequest {
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  /** The body, read as JSON. @throws HttpError */
  json(): Promise<unknown>;
}

export interface HttpReply {
  readonly status: number;
  readonly body: unknown;
}

export interface Route {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  readonly path: string;
  /** Who calls: a service, which shows the publisher's token, or a user, whose own token `handle` checks. Default: service. */
  readonly caller?: 'service' | 'user';
  /** What it throws, unless an HttpError, is answered with 503 where Redis is away, else with 500, and logged. */
  readonly handle: (request: HttpRequest) => Promise<HttpReply> | HttpReply;
}

export interface HttpDoorOptions {
  readonly host: string;
  readonly port: number;
  /** Bearer tokens of which every request must show one; read for each request. None: anybody may. */
  readonly tokens: () => readonly string[];
  /** Pages that users' browsers may call from; see `cors.ts`. Default: any. */
  readonly allowedOrigins?: readonly string[];
  readonly routes: readonly Route[];
  /**
   * Bodies that are held at once; beyond it new requests are put off, so that a flood cannot exhaust the memory.
   * Default: 96 MB.
   */
  readonly maxPendingBytes?: number;
  readonly logger: Logger;
  /** Called with every refusal. */
  readonly onRefused: (code: HttpErrorCode) => void;
}

export interface HttpDoor {
  readonly port: number;
  /** Stops accepting, lets the requests in hand end within five seconds, closes every connection. */
  close(): Promise<void>;
}

export const MAX_BODY_BYTES = 8 * 1024 * 1024;
const MAX_PENDING_BYTES = 96 * 1024 * 1024;
const RETRY_AFTER_SECONDS = 1;
/** Worth sending again. */
const LATER: ReadonlySet<HttpErrorCode> = new Set(['unavailable', 'too_many_requests', 'rate_limited']);
/** Longer than load balancers keep idle connections (60 s), so that they close first and no request meets a close. */
const KEEP_ALIVE_MS = 65_000;
/** For the whole request: 8 MB at 2 Mbit/s. */
const REQUEST_TIMEOUT_MS = 32_000;
/** Longer than a request waits for Redis, by default. */
const CLOSE_MS = 5_000;
const SWEEP_MS = 50;
/** Who drips a request's headers holds a connection for as long. */
const HEADERS_TIMEOUT_MS = 10_000;
/** How often node:http looks for such. */
const CHECK_MS = 5_000;

/**
 * Starts listening.
 * @throws ConfigurationError where it cannot, as when the port is taken
 */
export async function startHttpDoor(options: HttpDoorOptions): Promise<HttpDoor> {
  const { logger, routes } = options;
  const allowOrigin = createCors(options.allowedOrigins ?? ['*']);
  const memory = { pendingBytes: 0, maxBytes: options.maxPendingBytes ?? MAX_PENDING_BYTES };
  let closing = false;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = urlOf(request);
    if (!url) throw new HttpError('bad_request', 'The path cannot be read.');
    const there = routes.filter((route) => route.path === url.pathname);
    if (there.some(({ caller }) => caller === 'user')) {
      if (allowOrigin(request, response)) return;
    } else if (!isService(options.tokens(), request.headers.authorization ?? '')) {
      throw new HttpError('unauthorized', 'Send the publisher’s token as `Authorization: Bearer <token>`.');
    }
    if (there.length === 0) throw new HttpError('not_found', `There is no ${url.pathname} here.`);
    const route = there.find(({ method }) => method === request.method);
    if (!route) {
      const allowed = there.map(({ method }) => method).join(', ');
      response.setHeader('allow', allowed);
      throw new HttpError('method_not_allowed', `${url.pathname} answers ${allowed}.`);
    }
    const body = { heldBytes: 0 };
    try {
      const json = (): Promise<unknown> => readJson(request, memory, body);
      const reply = await route.handle({ url, headers: request.headers, json });
      if (closing) response.setHeader('connection', 'close');
      send(response, reply.status, reply.body);
    } finally {
      // Not before: what was read is held as long as it waits for Redis.
      memory.pendingBytes -= body.heldBytes;
    }
  }

  function refusalOf(error: unknown, { url: path }: IncomingMessage): HttpError {
    if (error instanceof HttpError) return error;
    const trouble = redisTrouble(error);
    if (trouble) {
      // Not louder: it would be a line for every request while Redis is away, which readiness says already.
      logger.debug({ err: error, path }, 'request refused for now');
      return new HttpError('unavailable', `${REDIS_TROUBLE_SENTENCES[trouble]}.`);
    }
    logger.error({ err: error, path }, 'request failed');
    return new HttpError('internal', 'Something failed here; it has been logged.');
  }

  function refuse(request: IncomingMessage, response: ServerResponse, error: unknown): void {
    const known = refusalOf(error, request);
    options.onRefused(known.code);
    if (response.headersSent || response.destroyed) return void response.destroy();
    if (closing) response.setHeader('connection', 'close');
    if (known.code === 'unauthorized') response.setHeader('www-authenticate', 'Bearer');
    if (LATER.has(known.code)) response.setHeader('retry-after', known.retryAfterSeconds ?? RETRY_AFTER_SECONDS);
    send(response, HTTP_ERRORS[known.code], { code: known.code, message: known.message, ...known.fields });
  }

  const server = createServer(
    {
      keepAliveTimeout: KEEP_ALIVE_MS,
      requestTimeout: REQUEST_TIMEOUT_MS,
      headersTimeout: HEADERS_TIMEOUT_MS,
      connectionsCheckingInterval: CHECK_MS,
    },
    (request, response) => {
      answer(request, response).catch((error: unknown) => refuse(request, response, error));
    },
  );
  const port = await listenAt(server, { side: 'HTTP', host: options.host, port: options.port });
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        closing = true;
        // A connection with a request in hand is idle afterwards, and nobody else would close it for 65 s.
        const sweep = setInterval(() => server.closeIdleConnections(), SWEEP_MS);
        const cut = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
        server.close(() => {
          clearInterval(sweep);
          clearTimeout(cut);
          resolve();
        });
        server.closeIdleConnections();
      }),
  };
}

/** Whether one of the tokens was shown. Digests have one length: comparing takes the same time whatever was sent. */
function isService(tokens: readonly string[], authorization: string): boolean {
  const shown = digest(authorization);
  const known = tokens.filter((token) => timingSafeEqual(digest(`Bearer ${token}`), shown));
  return tokens.length === 0 || known.length > 0;
}

const digest = (text: string): Buffer => createHash('sha256').update(text).digest();

function send(response: ServerResponse, status: number, body: unknown): void {
  const text = `${JSON.stringify(body)}\n`;
  response
    .writeHead(status, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) })
    .end(text);
}

async function readJson(request: IncomingMessage, memory: Memory, held: Held): Promise<unknown> {
  const type = request.headers['content-type'] ?? '';
  if (!/^application\/(?:[a-z.-]+\+)?json\s*(?:;|$)/i.test(type)) {
    throw new HttpError('unsupported_media_type', 'Send JSON, with `Content-Type: application/json`.');
  }
  if (request.headers['content-encoding']) {
    throw new HttpError('unsupported_media_type', 'Send the body without a Content-Encoding.');
  }
  const body = await readBody(request, memory, held).catch((error: unknown) => {
    // Who hangs up is no failure of ours: nobody shall fill the log with them.
    throw hasHungUp(error) ? new HttpError('bad_request', 'The request ended before its body did.') : error;
  });
  // Decoded all the same it would be accepted, and be another text than was sent.
  if (!isUtf8(body)) throw new HttpError('bad_request', 'The body is not UTF-8, as JSON has to be.');
  try {
    return JSON.parse(body.toString('utf8'));
  } catch (error) {
    throw new HttpError('bad_request', `The body is not JSON: ${(error as Error).message}`);
  }
}

/** The bodies of all requests together. */
interface Memory {
  pendingBytes: number;
  readonly maxBytes: number;
}
/** What of that is one request's, to be given back when it is answered. */
interface Held {
  heldBytes: number;
}

async function readBody(request: IncomingMessage, memory: Memory, held: Held): Promise<Buffer> {
  if (Number(request.headers['content-length'] ?? 0) > MAX_BODY_BYTES) throw tooLarge();
  const chunks: Buffer[] = [];
  // Not destroyed when it is too long: node:http reads the rest away, and the client gets to see the answer.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
    held.heldBytes += chunk.length;
    memory.pendingBytes += chunk.length;
    if (held.heldBytes > MAX_BODY_BYTES) throw tooLarge();
    if (memory.pendingBytes > memory.maxBytes) {
      throw new HttpError('too_many_requests', 'Too much is being sent at once; send it again a little later.');
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const tooLarge = (): HttpError =>
  new HttpError('too_large', `A body must not be larger than ${MAX_BODY_BYTES} bytes; send several.`);
