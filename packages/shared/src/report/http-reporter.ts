/** Reports over HTTP: `POST /v1/changes` and `POST /v1/events` of a publisher. Runs wherever there is `fetch`. */
import { type Attempt, type Patience, type ReportKind, ReportRefused, TryLater } from './door.js';
import { type Reporter, reporterThrough } from './reporter.js';

export interface HttpReporterOptions extends Patience {
  /** Of a publisher, such as `http://publisher:8770`. */
  readonly url: string;
  /** The publisher's `PUBLISHER_TOKEN`. */
  readonly token?: string;
  /** Milliseconds for one attempt. Default: 10,000. */
  readonly attemptMs?: number;
  /** Default: the global one. */
  readonly fetch?: typeof globalThis.fetch;
}

const ATTEMPT_MS = 10_000;
/** As many as the publisher takes at once. */
const MAX_BATCH = 10_000;
const PATHS: Record<ReportKind, string> = { change: '/v1/changes', event: '/v1/events' };

interface Answer {
  readonly ids?: readonly string[];
  readonly code?: string;
  readonly message?: string;
  readonly index?: number;
}

export function createReporter(options: HttpReporterOptions): Reporter {
  const { fetch = globalThis.fetch, token, url } = options;
  const headers = { 'content-type': 'application/json', ...(token ? { authorization: `Bearer ${token}` } : {}) };

  const attempt: Attempt = async (kind, items, key) => {
    if (items.length > MAX_BATCH) throw new ReportRefused('bad_request', `a report has at most ${MAX_BATCH} items`);
    const address = new URL(PATHS[kind], url);
    const ask = async () => {
      const response = await fetch(address, {
        method: 'POST',
        headers: { ...headers, 'idempotency-key': key },
        body: JSON.stringify(items.length === 1 ? items[0] : items),
        signal: AbortSignal.timeout(options.attemptMs ?? ATTEMPT_MS),
      });
      return { response, answer: await answerOf(response) };
    };
    const { answer, response } = await ask().catch((error: unknown) => {
      throw unanswered(address, error);
    });
    if (response.status === 202) return answer.ids ?? [];
    const said = answer.message ?? `HTTP ${response.status}`;
    if (response.status === 429 || response.status >= 500) {
      throw new TryLater(said, 1_000 * (Number(response.headers.get('retry-after')) || 0));
    }
    throw new ReportRefused(answer.code ?? `http_${response.status}`, said, answer.index);
  };
  return reporterThrough(attempt, options);
}

/** What `fetch` says of its own is "fetch failed"; why is in the causes. Neither that nor the address shows a password. */
function unanswered(address: URL, error: unknown): Error {
  if (address.username || address.password) {
    return new Error(`no answer of ${address.origin}${address.pathname}: fetch takes no URL with credentials in it`);
  }
  return new Error(`no answer of ${address}: ${innermost(error)}`, { cause: error });
}

/** Of a name with several addresses each was tried: then there is a reason for each. */
function innermost(error: unknown): string {
  if (error instanceof AggregateError) return error.errors.map(innermost).join(', ');
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : innermost(error.cause);
}

/** A proxy's answer may be anything. */
async function answerOf(response: Response): Promise<Answer> {
  const text = await response.text();
  try {
    return JSON.parse(text) as Answer;
  } catch {
    return { message: `HTTP ${response.status}: ${text.slice(0, 200)}` };
  }
}
