/** The two doors through which the load reports: a publisher's HTTP door, and the intake stream itself. */
import type { Connection } from '@belfry/shared/log';
import type { LoadChange } from './changes.js';

export interface Report {
  readonly change: LoadChange;
  readonly key: string;
}

export interface Reporter {
  /** One request for all, under one key. Resolves with the intake ids once they are accepted. @throws NotAccepted */
  overHttp(changes: readonly LoadChange[], key: string): Promise<readonly string[]>;
  /** Any body; resolves with the status. */
  post(path: string, body: string, key?: string): Promise<{ readonly status: number; readonly body: string }>;
  /** Straight into the stream. @throws NotAccepted */
  overStream(reports: readonly Report[]): Promise<readonly string[]>;
  /** Straight into the stream, whatever it is. @throws NotAccepted */
  raw(fields: readonly string[]): Promise<string>;
}

/** It may have been written all the same: whoever repeats it uses the same key. */
export class NotAccepted extends Error {}

const HTTP_MS = 3_000;

export function createReporter(options: {
  readonly connection: Connection;
  readonly stream: string;
  /** A publisher's port; undefined where none is up. */
  readonly publisher: () => number | undefined;
}): Reporter {
  const { connection, stream } = options;

  const post: Reporter['post'] = async (path, body, key) => {
    const port = options.publisher();
    if (port === undefined) throw new NotAccepted('no publisher is up');
    try {
      const response = await fetch(`http://127.0.0.1:${port}${path}`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...(key === undefined ? {} : { 'idempotency-key': key }) },
        body,
        signal: AbortSignal.timeout(HTTP_MS),
      });
      return { status: response.status, body: await response.text() };
    } catch (cause) {
      throw new NotAccepted(`the publisher did not answer: ${(cause as Error).message}`, { cause });
    }
  };

  /** What waits in ioredis' own queue may still be sent after its caller was told that it failed. */
  function requireConnection(): void {
    if (connection.status !== 'ready') throw new NotAccepted('not connected');
  }

  return {
    post,
    async overHttp(changes, key) {
      const { body, status } = await post('/v1/changes', JSON.stringify({ changes }), key);
      if (status !== 202) throw new NotAccepted(`answered ${status}: ${body.slice(0, 200)}`);
      return (JSON.parse(body) as { ids: string[] }).ids;
    },
    async overStream(reports) {
      requireConnection();
      const pipeline = connection.pipeline();
      for (const { change, key } of reports) pipeline.xadd(stream, '*', 'change', JSON.stringify(change), 'key', key);
      try {
        const replies = (await pipeline.exec()) ?? [];
        return replies.map(([error, id]) => {
          if (error) throw error;
          return String(id);
        });
      } catch (cause) {
        throw new NotAccepted(`Redis did not take it: ${(cause as Error).message}`, { cause });
      }
    },
    async raw(fields) {
      requireConnection();
      try {
        return String(await connection.xadd(stream, '*', ...fields));
      } catch (cause) {
        throw new NotAccepted(`Redis did not take it: ${(cause as Error).message}`, { cause });
      }
    },
  };
}
