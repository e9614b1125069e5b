/**
 * What a source remembers in Redis between polls: how far it has read, what each property had, when each property was
 * last read in full, and which drops wait to be confirmed. Nothing of a row is kept but what a report holds.
 *
 * All keys of a violation type share a hash tag. Only the holder of the type's lease writes them. Whatever is lost here
 * is read again from the city; a lost property is read as on its first day, a baseline.
 */
import type { Connection } from '@belfry/shared/log';
import { readStored } from '@belfry/shared/service';
import type { Dataset } from './dataset.js';
import type { Part } from './overlap.js';

/** How far a dataset's changes were read and handed on. */
export interface Cursor {
  /** `:updated_at` and key of the last row. */
  readonly at: string;
  readonly key: string;
  /** Milliseconds since 1970 at which that reading began. */
  readonly polledAt: number;
  /** Milliseconds since 1970 until which the dataset is taken to have no system fields; absent where it has them. */
  readonly undatedUntil?: number;
}

/** What a dataset had of a property at its last report. */
export interface Known {
  /** Numbers of its open violations. */
  readonly numbers: readonly string[];
  /** Its whole part: kept only where other datasets report under the same violation type. */
  readonly part?: Part;
}

/** A drop that waits for another reading which says the same. */
export interface Suspect {
  readonly numbers: readonly string[];
  /** Milliseconds since 1970. */
  readonly since: number;
}

export interface Ledger {
  cursor(dataset: Dataset): Promise<Cursor | undefined>;
  saveCursor(dataset: Dataset, cursor: Cursor | undefined): Promise<void>;
  /** Properties that were read at least once. */
  properties(dataset: Dataset): Promise<Set<string>>;
  known(dataset: Dataset, bbls: readonly string[]): Promise<Map<string, Known>>;
  /** Remembers readings; clears the properties' suspicions. */
  saveKnown(dataset: Dataset, known: ReadonlyMap<string, Known>, readAt: number): Promise<void>;
  /** Open violations over all properties. */
  openTotal(dataset: Dataset): Promise<number>;
  forget(dataset: Dataset, bbls: readonly string[]): Promise<void>;
  /** Properties whose last full reading began before `before`, longest ago first. */
  notReadSince(dataset: Dataset, before: number, limit: number): Promise<string[]>;
  suspects(dataset: Dataset): Promise<Map<string, Suspect>>;
  suspect(dataset: Dataset, suspects: ReadonlyMap<string, Suspect>): Promise<void>;
  /**
   * Says of which datasets the reports of a type are made from now on. Where they were made of others, everything is
   * forgotten: of what another dataset has, nothing is new or resolved. Returns whether it was.
   */
  madeOf(violationType: string, datasets: readonly Dataset[]): Promise<boolean>;
  leaseKey(violationType: string): string;
}

export function createLedger(redis: Connection, prefix: string): Ledger {
  const keyOf = (dataset: Dataset, what: 'cursor' | 'known' | 'read' | 'suspects'): string =>
    `${prefix}:{nyc:${dataset.violationType}}:${dataset.name}:${what}`;

  return {
    leaseKey: (violationType) => `${prefix}:{nyc:${violationType}}:lease`,
    async madeOf(violationType, datasets) {
      const key = `${prefix}:{nyc:${violationType}}:datasets`;
      const names = datasets.map(({ name }) => name).join(' ');
      const before = await redis.get(key);
      if (before === names) return false;
      const others = before !== null;
      const all = (['cursor', 'known', 'read', 'suspects'] as const).flatMap((what) =>
        datasets.map((dataset) => keyOf(dataset, what)),
      );
      // In this order: whoever dies in between forgets once more.
      if (others) await redis.del(...all);
      await redis.set(key, names);
      return others;
    },

    async cursor(dataset) {
      const text = await redis.get(keyOf(dataset, 'cursor'));
      return readStored<Cursor>(text, 'ledger', isCursor);
    },
    async saveCursor(dataset, cursor) {
      if (cursor) await redis.set(keyOf(dataset, 'cursor'), JSON.stringify(cursor));
      else await redis.del(keyOf(dataset, 'cursor'));
    },

    properties: async (dataset) => new Set(await redis.hkeys(keyOf(dataset, 'known'))),
    async known(dataset, bbls) {
      if (bbls.length === 0) return new Map();
      return knownOf(bbls, await redis.hmget(keyOf(dataset, 'known'), ...bbls));
    },
    async saveKnown(dataset, known, readAt) {
      if (known.size === 0) return;
      const bbls = [...known.keys()];
      const fields = [...known].flatMap(([bbl, each]) => [bbl, JSON.stringify(each)]);
      await redis
        .multi()
        .hset(keyOf(dataset, 'known'), ...fields)
        .zadd(keyOf(dataset, 'read'), ...bbls.flatMap((bbl) => [readAt, bbl]))
        .hdel(keyOf(dataset, 'suspects'), ...bbls)
        .exec()
        .then(throwFirst);
    },
    async openTotal(dataset) {
      const all = await redis.hvals(keyOf(dataset, 'known'));
      return all.reduce((sum, text) => sum + (readStored<Known>(text, 'ledger', isKnown)?.numbers.length ?? 0), 0);
    },
    async forget(dataset, bbls) {
      if (bbls.length === 0) return;
      await redis
        .multi()
        .hdel(keyOf(dataset, 'known'), ...bbls)
        .zrem(keyOf(dataset, 'read'), ...bbls)
        .hdel(keyOf(dataset, 'suspects'), ...bbls)
        .exec()
        .then(throwFirst);
    },
    notReadSince: (dataset, before, limit) =>
      redis.zrangebyscore(keyOf(dataset, 'read'), '-inf', `(${before}`, 'LIMIT', 0, limit),

    async suspects(dataset) {
      const all = Object.entries(await redis.hgetall(keyOf(dataset, 'suspects')));
      return new Map(
        all.flatMap(([bbl, text]): [string, Suspect][] => {
          const suspect = readStored<Suspect>(text, 'ledger', isSuspect);
          return suspect ? [[bbl, suspect]] : [];
        }),
      );
    },
    async suspect(dataset, suspects) {
      if (suspects.size === 0) return;
      const fields = [...suspects].flatMap(([bbl, each]) => [bbl, JSON.stringify(each)]);
      await redis.hset(keyOf(dataset, 'suspects'), ...fields);
    },
  };
}

const areNumbers = (numbers: unknown): boolean =>
  Array.isArray(numbers) && numbers.every((each) => typeof each === 'string');
const isCursor = ({ at, key, polledAt }: Partial<Cursor>): boolean =>
  typeof at === 'string' && typeof key === 'string' && Number.isFinite(polledAt);
const isSuspect = ({ numbers, since }: Partial<Suspect>): boolean => areNumbers(numbers) && Number.isFinite(since);
const isKnown = ({ numbers, part }: Partial<Known>): boolean =>
  areNumbers(numbers) && (part === undefined || (Array.isArray(part?.open) && areNumbers(part?.closed)));

function knownOf(names: readonly string[], texts: readonly (string | null)[]): Map<string, Known> {
  const found = new Map<string, Known>();
  for (const [index, name] of names.entries()) {
    const known = readStored<Known>(texts[index], 'ledger', isKnown);
    if (known) found.set(name, known);
  }
  return found;
}

/** A transaction's replies carry their errors beside them. */
function throwFirst(replies: [Error | null, unknown][] | null): void {
  const failed = replies?.find(([error]) => error)?.[0];
  if (failed || !replies) throw failed ?? new Error('the transaction was not carried out');
}
