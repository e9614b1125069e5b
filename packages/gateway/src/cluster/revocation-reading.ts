/** When a gateway reads the revocations in Redis: before its first client, and whenever it may not have heard of one. */
import type { Clock, Logger } from '@belfry/shared/service';
import type { Revocations } from './revocations.js';

export interface RevocationReadingOptions {
  readonly revocations: Pick<Revocations, 'reload' | 'refresh'>;
  /** There are new ones: ends the connections that they concern. */
  readonly onNew: () => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface RevocationReading {
  /** What this gateway did not hear over its link it learns here. */
  catchUp(): void;
  /**
   * Resolves once all are known, or Redis does not answer in time: where it is away, nothing can be delivered either.
   * @param hearing resolves when this gateway hears of new ones: only then can there be none between reading and hearing
   */
  known(hearing: Promise<unknown>): Promise<void>;
}

const ANSWER_MS = 2_000;

export function createRevocationReading(options: RevocationReadingOptions): RevocationReading {
  const { clock, logger, onNew, revocations } = options;
  const unread = (error: unknown): void => logger.debug({ err: error }, 'revocations cannot be read');
  return {
    catchUp() {
      revocations.refresh().then((isNew) => isNew && onNew(), unread);
    },
    known: (hearing) =>
      Promise.race([
        hearing.then(revocations.reload).then(() => undefined, unread),
        new Promise<void>((resolve) => clock.after(ANSWER_MS, resolve)),
      ]),
  };
}
