/**
 * Bull Board: the queues as pages, for operators' browsers. A browser asks for a name and a password: the password is an
 * operator's token. It is loaded and opened when somebody first looks.
 */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Logger, type OperatorCheck, type OperatorHandler, sendJson } from '@belfry/shared/service';
import type { Queue } from 'bullmq';

const BOARD_PATH = '/jobs/board';

export interface BoardOptions {
  readonly queues: () => readonly Queue[];
  readonly check: OperatorCheck;
  readonly logger: Logger;
}

type Serve = (request: IncomingMessage, response: ServerResponse) => unknown;

export function createBoard({ check, logger, queues }: BoardOptions): OperatorHandler {
  let loading: Promise<Serve> | undefined;

  return async (request, response, url) => {
    if (url.pathname !== BOARD_PATH && !url.pathname.startsWith(`${BOARD_PATH}/`)) return false;
    response.setHeader('x-frame-options', 'DENY');
    // Browsers send the password also with what other sites' pages make them ask.
    if (request.method !== 'GET' && !isOwnPage(request)) {
      sendJson(response, 403, { code: 'forbidden', message: 'only pages of the board itself may act' });
      return true;
    }
    passwordAsToken(request);
    const checked = await check(request);
    if ('error' in checked) {
      response.setHeader('www-authenticate', 'Basic realm="operators", charset="UTF-8"');
      sendJson(response, 401, {
        code: 'not_authenticated',
        message: `${checked.error}; or that token as the password`,
      });
      return true;
    }
    loading ??= open(queues());
    const serve = await loading;
    const ended = new Promise<void>((resolve) => response.once('close', resolve));
    serve(request, response);
    await ended;
    if (request.method !== 'GET') {
      const call = `${request.method} ${url.pathname}`;
      logger.info({ audit: true, operator: checked.operator, call, status: response.statusCode }, 'operator acted');
    }
    return true;
  };
}

/** Browsers say where a page is from by Sec-Fetch-Site, but not where the board is reached without TLS: then by Origin alone. */
function isOwnPage({ headers }: IncomingMessage): boolean {
  const { host, origin, 'sec-fetch-site': site = 'same-origin' } = headers;
  if (site !== 'same-origin') return false;
  return origin === undefined || (URL.canParse(origin) && new URL(origin).host === host);
}

/** `Basic <name:token>` is read as `Bearer <token>`. */
function passwordAsToken(request: IncomingMessage): void {
  const encoded = /^Basic +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  if (encoded === undefined) return;
  const text = Buffer.from(encoded, 'base64').toString('utf8');
  request.headers.authorization = `Bearer ${text.slice(text.indexOf(':') + 1)}`;
}

async function open(queues: readonly Queue[]): Promise<Serve> {
  const [{ createBullBoard }, { BullMQAdapter }, { ExpressAdapter }, { default: express }] = await Promise.all([
    import('@bull-board/api'),
    import('@bull-board/api/bullMQAdapter'),
    import('@bull-board/express'),
    import('express'),
  ]);
  const serverAdapter = new ExpressAdapter();
  serverAdapter.setBasePath(BOARD_PATH);
  createBullBoard({ queues: queues.map((queue) => new BullMQAdapter(queue)), serverAdapter });
  const app = express();
  app.disable('x-powered-by');
  app.use(BOARD_PATH, serverAdapter.getRouter());
  return app;
}
