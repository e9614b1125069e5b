/** Publishes one event through the publisher's HTTP door, as any service does. */

export interface PublishOptions {
  readonly url: string;
  /** Empty: none is shown. */
  readonly token: () => string;
  readonly channel: string;
}

/** Longer than the publisher waits for Redis before it refuses. */
const TIMEOUT_MS = 5_000;

/** Resolves with undefined once the event is accepted, or with the reason why it may not be. */
export type Publish = (nonce: string) => Promise<string | undefined>;

export function createPublish(options: PublishOptions): Publish {
  const url = new URL('/v1/events', options.url);
  return async (nonce) => {
    const token = options.token();
    try {
      const response = await fetch(url, {
        method: 'POST',
        headers: {
          'content-type': 'application/json',
          'idempotency-key': nonce,
          ...(token ? { authorization: `Bearer ${token}` } : {}),
        },
        body: JSON.stringify({ type: 'canary', channel: options.channel, nonce }),
        signal: AbortSignal.timeout(TIMEOUT_MS),
      });
      const answer = await response.text();
      return response.status === 202 ? undefined : `${response.status} ${answer.slice(0, 200).trim()}`;
    } catch (error) {
      return (error as Error).message;
    }
  };
}
