/** Which master of a Redis Cluster owns which slot, followed as it changes. */
import type { Cluster } from 'ioredis';
import type { Clock, Logger } from '../service/index.js';

export interface ClusterMaster {
  readonly host: string;
  readonly port: number;
}

export interface ClusterTopology {
  masterOf(slot: number): string | undefined;
  /** Reads the topology again, soon; several calls in a row make one reading. */
  refresh(): void;
  close(): void;
}

export interface ClusterTopologyOptions {
  readonly commands: Cluster;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Called after every reading that differs from the last. */
  readonly onChange: (
    masterOf: (slot: number) => string | undefined,
    masters: ReadonlyMap<string, ClusterMaster>,
  ) => void;
}

type SlotRange = [from: number, to: number, master: [host: string, port: number, ...rest: unknown[]]];

/** A failover is announced by closed connections; this finds what was not announced. */
const REFRESH_MS = 5_000;
const SOON_MS = 50;

export function followClusterTopology(options: ClusterTopologyOptions): ClusterTopology {
  const { clock, commands, logger } = options;
  let owners: (string | undefined)[] = [];
  let known = '';
  let soon: (() => void) | undefined;
  let closed = false;

  const masterOf = (slot: number): string | undefined => owners[slot];

  async function read(): Promise<void> {
    const ranges = (await commands.cluster('SLOTS')) as unknown as SlotRange[];
    const text = JSON.stringify(ranges.map(([from, to, [host, port]]) => [from, to, host, port]).sort());
    if (text === known || closed) return;
    known = text;
    owners = [];
    const masters = new Map<string, ClusterMaster>();
    for (const [from, to, [host, port]] of ranges) {
      const name = `${host}:${port}`;
      masters.set(name, { host, port });
      for (let slot = from; slot <= to; slot += 1) owners[slot] = name;
    }
    logger.info({ masters: [...masters.keys()] }, 'cluster topology read');
    options.onChange(masterOf, masters);
  }

  function readAndLog(): void {
    soon = undefined;
    read().catch((error: unknown) => {
      logger.warn({ err: error }, 'cluster topology cannot be read');
      refresh();
    });
  }

  function refresh(): void {
    if (!closed) soon ??= clock.after(SOON_MS, readAndLog);
  }

  const stopPeriodic = clock.every(REFRESH_MS, refresh);
  readAndLog();

  return {
    masterOf,
    refresh,
    close: () => {
      closed = true;
      stopPeriodic();
      soon?.();
    },
  };
}
