/**
 * The portfolio as the cluster keeps it: the same list in every browser, and what the cluster's figures are counted over.
 * Without a publisher's address the list stays in this browser.
 */
import type { Store } from '../state/store.js';
import type { Saved } from './saved.js';

export interface KeptPortfolioParts {
  /** Address of a publisher. */
  readonly publisher: string;
  readonly token: () => string;
  readonly portfolio: Store<readonly string[]>;
  readonly saved: Saved;
  readonly fetch: typeof globalThis.fetch;
  /** Takes over the list that another browser wrote. */
  readonly adopt: (properties: readonly string[]) => void;
}

const SEND_AFTER_MS = 200;
const FIRST_RETRY_MS = 2_000;
const LAST_RETRY_MS = 300_000;
/** Remembers that the last change has not reached the cluster yet. */
const UNSENT = 'portfolio-unsent';

interface Answer {
  readonly properties?: readonly string[];
  readonly updated_at?: number;
  /** Of the first property that the token does not allow. */
  readonly index?: number;
}

/** Reads the list, and sends every change of it. @returns the disposer */
export function keepPortfolio({ adopt, fetch, portfolio, publisher, saved, token }: KeptPortfolioParts): () => void {
  const address = new URL('/v1/portfolio', publisher).href;
  const ended = new AbortController();
  let timer: ReturnType<typeof setTimeout> | undefined;
  let retryMs = FIRST_RETRY_MS;
  let sending = false;
  let adopting = false;

  async function ask(init: RequestInit): Promise<{ readonly status: number; readonly answer: Answer }> {
    const response = await fetch(address, {
      ...init,
      headers: { authorization: `Bearer ${token()}`, ...init.headers },
      signal: ended.signal,
    });
    return { status: response.status, answer: (await response.json()) as Answer };
  }

  function later(task: () => Promise<void>, ms: number): void {
    clearTimeout(timer);
    if (ended.signal.aborted) return;
    timer = setTimeout(() => {
      task().then(
        () => {
          retryMs = FIRST_RETRY_MS;
        },
        () => {
          later(task, retryMs);
          retryMs = Math.min(LAST_RETRY_MS, retryMs * 2);
        },
      );
    }, ms);
  }

  /** What the token does not allow is left out: the list in this browser says so at its row. */
  async function write(properties: readonly string[]): Promise<void> {
    const { answer, status } = await ask({
      method: 'PUT',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ properties }),
    });
    if (status === 403 && answer.index !== undefined) {
      return await write(properties.filter((_, index) => index !== answer.index));
    }
    if (status !== 200) throw new Error(`the portfolio was answered with ${status}`);
  }

  async function send(): Promise<void> {
    if (sending) return later(send, SEND_AFTER_MS);
    sending = true;
    try {
      const list = portfolio.get();
      await write(list);
      if (portfolio.get() === list) saved.write(UNSENT, false);
    } finally {
      sending = false;
    }
  }

  async function read(): Promise<void> {
    const { answer, status } = await ask({});
    if (status !== 200) throw new Error(`the portfolio was answered with ${status}`);
    const { properties = [], updated_at = 0 } = answer;
    if (updated_at > 0 && !saved.read(UNSENT, false)) {
      adopting = true;
      adopt(properties);
      adopting = false;
    } else if (portfolio.get().length > 0) {
      later(send, 0);
    }
  }

  const stop = portfolio.subscribe(() => {
    if (adopting) return;
    saved.write(UNSENT, true);
    later(send, SEND_AFTER_MS);
  });
  later(read, 0);
  return () => {
    stop();
    clearTimeout(timer);
    ended.abort();
  };
}
