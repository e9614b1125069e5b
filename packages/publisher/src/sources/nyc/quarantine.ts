/** Rows that belong to no property that could be named: counted once each, and the last of them kept to be looked at. */
import type { Connection } from '@belfry/shared/log';
import type { QuarantineReason } from './bbl.js';
import type { Dataset } from './dataset.js';

export interface UnplacedRow {
  /** The row's key in its dataset, where it has one. */
  readonly key: string | undefined;
  readonly reason: QuarantineReason;
}

export interface Quarantine {
  add(dataset: Dataset, rows: readonly UnplacedRow[]): Promise<void>;
  /** The last ones, newest first. */
  list(dataset: Dataset): Promise<UnplacedRow[]>;
}

/** Per dataset. */
const MAX_KEPT = 1_000;

/** @param onNew called with how many rows a reason has newly got; a row that is read again is not counted again */
export function createQuarantine(
  redis: Connection,
  prefix: string,
  now: () => number,
  onNew: (dataset: Dataset, reason: QuarantineReason, rows: number) => void,
): Quarantine {
  const keyOf = (dataset: Dataset): string => `${prefix}:{nyc:${dataset.violationType}}:${dataset.name}:quarantine`;

  return {
    async add(dataset, rows) {
      for (const reason of new Set(rows.map((row) => row.reason))) {
        const unplaced = rows.filter((row) => row.reason === reason);
        const members = unplaced.flatMap(({ key }) => [String(now()), `${reason} ${key ?? ''}`]);
        const added = await redis.zadd(keyOf(dataset), 'NX', ...members);
        if (Number(added) > 0) onNew(dataset, reason, Number(added));
      }
      if (rows.length > 0) await redis.zremrangebyrank(keyOf(dataset), 0, -MAX_KEPT - 1);
    },
    async list(dataset) {
      const members = await redis.zrevrange(keyOf(dataset), 0, -1);
      return members.map((member) => {
        const blank = member.indexOf(' ');
        return { reason: member.slice(0, blank) as QuarantineReason, key: member.slice(blank + 1) || undefined };
      });
    },
  };
}
