/** Events put straight into the log, for tests of what happens behind it. */
import { connect, createRedisLog, DEFAULT_KEY_PREFIX, type LogReader, type LogWriter } from '@belfry/shared/log';

export interface TestLog {
  readonly log: LogReader & LogWriter;
  /** Appends one event per entry of `bodies` to a channel and returns their positions. `key` names the snapshot entry. */
  append(channel: string, bodies: readonly Readonly<Record<string, unknown>>[], key?: string): Promise<string[]>;
  close(): void;
}

/**
 * @param url of a Redis, as `TestRedis.url`
 * @param options.maxEvents kept per channel; few by default, so that tests see the end of a history
 */
export function openTestLog(url: string, { maxEvents = 128 }: { readonly maxEvents?: number } = {}): TestLog {
  const connection = connect({ url, name: 'test-log', onError: () => undefined });
  const log = createRedisLog({
    connection,
    prefix: DEFAULT_KEY_PREFIX,
    retention: {
      maxEvents,
      maxGlobalEvents: 4_096,
      logTtlSeconds: 7_200,
      snapshotTtlSeconds: 0,
      idempotencyTtlSeconds: 60,
    },
  });
  let serial = 0;
  const started = Date.now();
  return {
    log,
    async append(channel, bodies, key) {
      const events = bodies.map((body) => ({
        key,
        body: JSON.stringify({ type: 'VIOLATION_UPDATE', channel, timestamp: Date.now() / 1000, ...body }),
      }));
      serial += 1;
      const outcome = await log.append({ channel, lane: 0, entries: [{ intakeId: `${started}-${serial}`, events }] });
      if (outcome.status !== 'ok') throw new Error(`append refused: ${outcome.status}`);
      return [...(outcome.results[0] ?? [])];
    },
    close: () => connection.disconnect(),
  };
}
