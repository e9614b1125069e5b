/**
 * One POST, without what `fetch` does besides: it follows no redirect, whose target nobody checked, and connects to the
 * very addresses that `lookup` gave.
 */
import { request as requestHttp } from 'node:http';
import { request as requestHttps } from 'node:https';
import type { LookupFunction } from 'node:net';

export interface Post {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  /** For the whole of it, from finding the address to the answer's status. */
  readonly timeoutMs: number;
  readonly lookup: LookupFunction | undefined;
}

/** The answer's status. What else it says is not read. */
export function post(url: string, { body, headers, lookup, timeoutMs }: Post): Promise<number> {
  const target = new URL(url);
  const request = target.protocol === 'https:' ? requestHttps : requestHttp;
  return new Promise((resolve, reject) => {
    const sending = request(target, {
      method: 'POST',
      headers: { ...headers, 'content-length': Buffer.byteLength(body) },
      signal: AbortSignal.timeout(timeoutMs),
      // A connection of its own: one that is kept was made to an address of another time.
      agent: false,
      ...(lookup ? { lookup } : {}),
    });
    sending.once('response', (response) => {
      resolve(response.statusCode ?? 0);
      response.destroy();
    });
    sending.on('error', (error) => {
      const late = error.name === 'TimeoutError' || (error.cause as Error | undefined)?.name === 'TimeoutError';
      reject(late ? new Error(`no answer within ${timeoutMs} ms`, { cause: error }) : error);
    });
    sending.end(body);
  });
}
