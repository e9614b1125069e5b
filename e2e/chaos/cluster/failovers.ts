/**
 * Failovers that nobody injected: on a busy machine Sentinel or the Cluster may find a master dead that was only slow,
 * and promote a replica that lacks what the master had acknowledged. The audit has to know of every one of them.
 */
import { type Connection, readGenerations } from '@belfry/shared/log';

const POLL_MS = 100;

/** Calls back whenever the masters' replication ids are other ones than before. @returns the disposer */
export function followFailovers(connection: Connection, onFailover: () => void): () => void {
  let known: string | undefined;
  let asking = false;

  async function look(): Promise<void> {
    const now = (await readGenerations(connection)).join();
    if (known !== undefined && now !== known) onFailover();
    known = now;
  }

  const timer = setInterval(() => {
    if (asking) return;
    asking = true;
    // While a master is away there is nothing to compare; the next answer tells.
    look()
      .catch(() => undefined)
      .finally(() => {
        asking = false;
      });
  }, POLL_MS);
  return () => clearInterval(timer);
}
