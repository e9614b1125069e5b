/** Starts a part that needs Redis, as soon as it is there: a publisher takes changes in before, and without, it. */
import { type Clock, createBackoff, type Logger } from '@belfry/shared/service';

export interface Starting<T> {
  /** Undefined until it has started. */
  current(): T | undefined;
  /** Gives up what has not started; resolves to what has, for its own end. */
  stop(): Promise<T | undefined>;
}

const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 5_000;

/** @param start rejects when Redis is away, and leaves nothing running then */
export function startWhenPossible<T>(
  name: string,
  start: () => Promise<T>,
  parts: { readonly clock: Clock; readonly random: () => number; readonly logger: Logger },
): Starting<T> {
  const backoff = createBackoff(RETRY_FIRST_MS, RETRY_MAX_MS, parts.random);
  let current: T | undefined;
  let stopping = false;
  let wake: (() => void) | undefined;

  async function run(): Promise<void> {
    while (!stopping && !current) {
      try {
        current = await start();
      } catch (error) {
        parts.logger.warn({ err: error, part: name }, 'a part cannot be started; trying again');
        await new Promise<void>((resolve) => {
          wake = resolve;
          parts.clock.after(backoff.next(), resolve);
        });
      }
    }
  }

  const running = run();
  return {
    current: () => current,
    async stop() {
      stopping = true;
      wake?.();
      await running;
      return current;
    },
  };
}
