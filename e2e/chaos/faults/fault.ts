/** A fault: what is done to the run, for how long, and how it is undone. */
import type { LossyFault } from '../audit/accepted.js';
import type { Swarms } from '../clients/swarms.js';
import type { Cluster } from '../cluster/cluster.js';
import type { RedisKind } from '../cluster/redis.js';
import type { Load } from '../load/load.js';
import type { Reporter } from '../load/reporter.js';
import type { Random } from '../random.js';

/** What a fault may lay hands on. */
export interface World {
  readonly cluster: Cluster;
  readonly swarms: Swarms;
  readonly load: Load;
  readonly reporter: Reporter;
  readonly random: Random;
  /** Says that Redis may lose what it accepted from now on (or ever before, for `everything`) until the result is called. */
  readonly lossy: (kind: string, everything: boolean) => () => void;
  readonly count: (what: string, by?: number) => void;
}

export interface Fault {
  readonly kind: string;
  /** How often it is chosen, compared with others. */
  readonly weight: number;
  /** `main`: one at a time, healed before the next. `side`: beside the others. */
  readonly lane: 'main' | 'side';
  /** Where it makes sense; default: everywhere. */
  readonly redis?: readonly RedisKind[];
  /** Injects, holds and heals. Resolves with what it did when everything is back in place. */
  run(world: World): Promise<string>;
}

export type { LossyFault };
