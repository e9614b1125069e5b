/** Starts a part that needs Redis, as soon as it is there: a publisher takes changes in before, and without, it. */
import { type Clock, createBackoff, type Logger } from '@belfry/shared/service';

export interface Starting<T> {
  /** Undefined until it has started. */
  current(): T | undefined;
  /** Gives up what has not started, within a second; resolves to what has, for its own end. */
  stop(): Promise<T | undefined>;
}

const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 5_000;
/** BullMQ waits for a Redis that was never there without end, and a start with it. */
const GIVE_UP_MS = 1_000;

/** @param start rejects when Redis is away, and leaves nothing running then; or waits for it */
export function startWhenPossible<T extends { close(): Promise<void> }>(
  name: string,
  start: () => Promise<T>,
  parts: { readonly clock: Clock; readonly random: () => number; readonly logger: Logger },
): Starting<T> {
  const backoff = createBackoff(RETRY_FIRST_MS, RETRY_MAX_MS, parts.random);
  let current: T | undefined;
  let stopping = false;
  let givenUp = false;
  let wake: (() => void) | undefined;

  async function run(): Promise<void> {
    while (!stopping && !current) {
      try {
        const started = await start();
        if (givenUp) return await started.close();
        current = started;
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
      const { after } = parts.clock;
      await Promise.race([running, new Promise<void>((resolve) => after(GIVE_UP_MS, resolve))]);
      givenUp = current === undefined;
      return current;
    },
  };
}
