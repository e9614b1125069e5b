/** The gateways behind a name, followed as they come and go. */
import type { Clock, Logger } from '@belfry/shared/service';

export interface AddressesOptions {
  /** All addresses of the name. Rejects when it cannot be looked up. */
  readonly lookUp: () => Promise<readonly string[]>;
  readonly everyMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onAdded: (address: string) => void;
  readonly onRemoved: (address: string) => void;
}

/** Looks up at once and then regularly. A lookup that fails changes nothing. Returns its disposer. */
export function followAddresses(options: AddressesOptions): () => void {
  const { logger } = options;
  let known = new Set<string>();
  let stopped = false;

  async function read(): Promise<void> {
    const found = new Set(await options.lookUp());
    if (stopped) return;
    const before = known;
    known = found;
    for (const address of before) if (!found.has(address)) options.onRemoved(address);
    for (const address of found) if (!before.has(address)) options.onAdded(address);
  }

  const readAndLog = (): void => {
    read().catch((error: unknown) => logger.warn({ err: error }, 'gateways cannot be looked up'));
  };
  readAndLog();
  const stopTimer = options.clock.every(options.everyMs, readAndLog);
  return () => {
    stopped = true;
    stopTimer();
  };
}
