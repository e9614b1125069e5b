/** Snapshots over HTTP: `GET /v1/state`, for many channels in few requests. */
import type { ChannelState } from './api.js';

/** uWebSockets takes 4 KB of request head by default, the token included. */
const QUERY_CHARACTERS = 1_500;

/** Any answer but 200, 304 and, for one channel, 400 and 403. */
export class HttpError extends Error {
  readonly status: number;
  readonly retryAfterMs: number;

  constructor({ status, headers }: Response) {
    super(`HTTP ${status}`);
    this.status = status;
    this.retryAfterMs = Number(headers.get('retry-after')) * 1000;
  }
}

export const bearer = (token: string | null | undefined): Record<string, string> =>
  token ? { authorization: `Bearer ${token}` } : {};

export const queryOf = (channels: readonly string[]): string =>
  channels.map((channel) => `channel=${encodeURIComponent(channel)}`).join('&');

/**
 * @param etags of earlier answers, by URL: channels of which nothing has changed since are left out of the result
 * @throws HttpError, and what `fetch` throws
 */
export async function fetchStates(
  fetch: typeof globalThis.fetch,
  url: string,
  channels: readonly string[],
  token: string | null | undefined,
  signal?: AbortSignal,
  etags?: Map<string, string | null>,
): Promise<readonly ChannelState[]> {
  if (channels.length === 0) return [];
  const halves = async (): Promise<readonly ChannelState[]> => {
    const half = channels.length >> 1;
    const first = await fetchStates(fetch, url, channels.slice(0, half), token, signal, etags);
    return [...first, ...(await fetchStates(fetch, url, channels.slice(half), token, signal, etags))];
  };
  const query = `${url}?${queryOf(channels)}`;
  if (channels.length > 1 && query.length > QUERY_CHARACTERS) return halves();
  const etag = etags?.get(query);
  const response = await fetch(query, {
    headers: { ...bearer(token), ...(etag && { 'if-none-match': etag }) },
    ...(signal && { signal }),
  });
  if (response.status === 304) return [];
  // One channel that is not allowed, or none at all, must not cost the others their snapshot.
  if (response.status === 403 || response.status === 400) return channels.length > 1 ? halves() : [];
  if (!response.ok) throw new HttpError(response);
  const body = (await response.json()) as { readonly channels: readonly ChannelState[] };
  etags?.set(query, response.headers.get('etag'));
  return body.channels;
}
