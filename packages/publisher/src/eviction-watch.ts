/**
 * Whether Redis may throw keys away when its memory is full. An evicting Redis takes every write, and forgets meanwhile what
 * was applied before and what was accepted: events would come twice or not at all, and nobody would be told.
 */

import type { Connection } from '@belfry/shared/log';
import type { Clock, Logger } from '@belfry/shared/service';
import { Cluster } from 'ioredis';

export interface EvictionWatchOptions {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly logger: Logger;
}

const CHECK_MS = 60_000;
const SAFE = 'noeviction';

/** Asked by INFO, which managed services answer where they refuse CONFIG. */
async function policies(connection: Connection): Promise<string> {
  const masters = connection instanceof Cluster ? connection.nodes('master') : [connection];
  const infos = await Promise.all(masters.map((master) => master.info('memory')));
  const found = infos.map((info) => /^maxmemory_policy:(\S+)/m.exec(info)?.[1] ?? SAFE);
  return found.find((policy) => policy !== SAFE) ?? SAFE;
}

/** Says once, in the log, when Redis evicts, and once more whenever that changes. Returns its disposer. */
export function watchEviction({ clock, connection, logger }: EvictionWatchOptions): () => void {
  let known = SAFE;

  async function check(): Promise<void> {
    const policy = await policies(connection);
    if (policy === known) return;
    known = policy;
    if (policy === SAFE) logger.info({ policy }, 'Redis keeps everything');
    else {
      const advice =
        'Redis throws keys away when its memory is full, and events with them: set maxmemory-policy noeviction';
      logger.error({ policy }, advice);
    }
  }
  const checkQuietly = (): void => {
    check().catch((error: unknown) => logger.debug({ err: error }, 'the eviction policy cannot be read'));
  };
  connection.on('ready', checkQuietly);
  const stop = clock.every(CHECK_MS, checkQuietly);
  return () => {
    stop();
    connection.off('ready', checkQuietly);
  };
}
