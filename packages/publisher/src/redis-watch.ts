/** Whether Redis answers, for readiness: a short absence is nothing to be taken out of service for. */
import type { Connection } from '@belfry/shared/log';
import type { Clock, Logger, ReadinessCheck } from '@belfry/shared/service';

export interface RedisWatch {
  /** Fails once Redis has not answered for the grace period, and until it first has. */
  readonly readiness: ReadinessCheck;
  close(): void;
}

export interface RedisWatchOptions {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly graceMs: number;
  readonly logger: Logger;
}

const PING_MS = 500;

export function watchRedis({ clock, connection, graceMs, logger }: RedisWatchOptions): RedisWatch {
  let answered: number | undefined;
  let asking = false;

  async function ask(): Promise<void> {
    if (asking) return;
    asking = true;
    try {
      await connection.ping();
      answered = clock.now();
    } finally {
      asking = false;
    }
  }

  const askQuietly = (): void => {
    ask().catch((error: unknown) => logger.debug({ err: error }, 'Redis did not answer'));
  };
  const stop = clock.every(PING_MS, askQuietly);
  askQuietly();
  return {
    readiness: () => {
      if (answered === undefined) return 'Redis has not answered yet';
      const silent = clock.now() - answered;
      return silent > graceMs + PING_MS ? `Redis has not answered for ${Math.round(silent / 1000)} s` : undefined;
    },
    close: stop,
  };
}
