/**
 * The operators' port of a process: `/metrics`, `/livez`, `/readyz`, and what else the process answers operators. Plain
 * node:http, apart from the clients' port, so that a flood there leaves this one responsive.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Registry } from 'prom-client';
import { listenAt } from './listen.js';
import type { Logger } from './logger.js';
import { REDIS_TROUBLE_SENTENCES, type RedisTrouble, redisTrouble } from './redis-trouble.js';
import { integer, text } from './settings.js';

export const operatorSettings = (port: number) =>
  ({
    OPERATOR_HOST: text({ text: 'Address of the operators’ port', default: '0.0.0.0' }),
    OPERATOR_PORT: integer({
      text: 'Operators’ port: metrics, health, admin; 0 takes a free one',
      default: String(port),
      min: 0,
      max: 65_535,
    }),
  }) as const;

/** What a check of readiness says: undefined when all is well, else what is wrong. */
export type ReadinessCheck = () => string | undefined;

/** Answers one request; returns false to let the next handler try. */
export type OperatorHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  url: URL,
) => boolean | Promise<boolean>;

export interface OperatorServerOptions {
  readonly host: string;
  readonly port: number;
  readonly registry: Registry;
  readonly logger: Logger;
  /** All must pass for `/readyz` to answer 200. `/livez` asks nothing: a process that answers is alive. */
  readonly readiness: readonly ReadinessCheck[];
  readonly handlers?: readonly OperatorHandler[];
}

export interface OperatorServer {
  readonly port: number;
  close(): Promise<void>;
}

/**
 * What was asked for; undefined where it cannot be read. `//a/b` is a path like any other: read as a URL it were the path
 * `/b` of a host `a`, and would get past a proxy that looks at paths.
 */
export const urlOf = ({ url: target = '/' }: IncomingMessage): URL | undefined => {
  const url = target.startsWith('/') ? `${ANY_HOST}${target}` : target;
  return URL.canParse(url, ANY_HOST) ? new URL(url, ANY_HOST) : undefined;
};
const ANY_HOST = 'http://localhost';

/** Whether reading a body failed because its sender is gone. */
export const hasHungUp = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === 'ECONNRESET';

export const sendJson = (response: ServerResponse, status: number, body: unknown): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(`${JSON.stringify(body)}\n`);
};

const RETRY_AFTER_SECONDS = 1;

function refuseForNow({ method }: IncomingMessage, response: ServerResponse, trouble: RedisTrouble): void {
  const message = REDIS_TROUBLE_SENTENCES[trouble];
  // What an act has sent to Redis may have arrived though its answer has not.
  const perhapsDone = trouble === 'away' && method !== 'GET';
  response.setHeader('retry-after', RETRY_AFTER_SECONDS);
  sendJson(response, 503, {
    code: 'unavailable',
    message: perhapsDone ? `${message}; look first whether it was done all the same` : message,
  });
}

/** For who drips a request, headers or body. */
const TIMEOUTS = { headersTimeout: 10_000, requestTimeout: 30_000, connectionsCheckingInterval: 5_000 };

/**
 * Starts listening.
 * @throws ConfigurationError where it cannot, as when the port is taken
 */
export async function startOperatorServer(options: OperatorServerOptions): Promise<OperatorServer> {
  const { registry, logger, readiness } = options;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = urlOf(request);
    if (!url) return sendJson(response, 400, { code: 'bad_request', message: 'the path cannot be read' });
    if (request.method === 'GET' && url.pathname === '/livez') return sendJson(response, 200, { status: 'alive' });
    if (request.method === 'GET' && url.pathname === '/readyz') {
      const failing = readiness.map((check) => check()).filter((reason) => reason !== undefined);
      return sendJson(response, failing.length === 0 ? 200 : 503, {
        status: failing.length === 0 ? 'ready' : 'not ready',
        failing,
      });
    }
    if (request.method === 'GET' && url.pathname === '/metrics') {
      const body = await registry.metrics();
      response.writeHead(200, { 'content-type': registry.contentType }).end(body);
      return;
    }
    for (const handler of options.handlers ?? []) if (await handler(request, response, url)) return;
    sendJson(response, 404, { code: 'not_found', message: `there is no ${request.method} ${url.pathname} here` });
  }

  const server = createServer(TIMEOUTS, (request, response) => {
    answer(request, response).catch((error: unknown) => {
      const trouble = redisTrouble(error);
      logger[trouble ? 'warn' : 'error'](
        { err: error, method: request.method, path: request.url },
        'operator request failed',
      );
      if (response.headersSent) response.destroy();
      else if (trouble) refuseForNow(request, response, trouble);
      else sendJson(response, 500, { code: 'internal', message: 'the request failed; see the log' });
    });
  });
  const port = await listenAt(server, { side: 'OPERATOR', host: options.host, port: options.port });
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}
