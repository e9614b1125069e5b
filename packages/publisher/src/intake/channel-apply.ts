/** Applies entries to one channel: facts, plan, append; again from the facts when somebody else was faster. */
import { type AppendRequest, LogUnavailable, type LogWriter } from '@belfry/shared/log';
import { isPatch } from '../changes/board.js';
import { snapshotKeyOf } from '../changes/event.js';
import { decodeFacts } from '../changes/facts.js';
import type { FactsCache, KnownFacts } from './facts-cache.js';
import { type ChannelState, type ChannelWork, planChannel } from './plan.js';

/** Redis restarted or failed over: what was applied before may be lost and must come first. */
export class Fenced extends Error {
  readonly generation: string;
  constructor(generation: string) {
    super(`Redis runs under the new generation ${generation}`);
    this.generation = generation;
  }
}

/** A call was given up, since whoever made it is to stop. */
export class Stopped extends Error {}

/** Nothing is decided about an entry over which one of these is thrown: it has to be applied, later or by somebody else. */
export const decidesNothing = (error: unknown): boolean =>
  error instanceof Fenced || error instanceof Stopped || error instanceof LogUnavailable;

/** What became of an entry in a channel. */
export interface Applied {
  readonly id: string;
  /** The bodies of its events; undefined where the entry had been applied before, by whomever. */
  readonly bodies: readonly string[] | undefined;
}

export interface ChannelApplyOptions {
  readonly log: LogWriter;
  readonly lane: number;
  readonly generations: readonly string[];
  readonly cache: FactsCache;
  /** Repeats a call until Redis answers. */
  readonly persist: <T>(call: () => Promise<T>) => Promise<T>;
  readonly onConflict: () => void;
}

export type ChannelApply = (channel: string, works: readonly ChannelWork[]) => Promise<readonly Applied[]>;

const NONE_SEEN: ReadonlySet<string> = new Set();
const NOTHING_NEEDED: ChannelState = { applied: undefined, byType: new Map(), seen: undefined };

export function createChannelApply(options: ChannelApplyOptions): ChannelApply {
  const { cache, generations, lane, log, persist } = options;

  /** What needs no question to Redis. Whether keys were seen an append without an expected position looks itself. */
  function stateAtHand(channel: string, { keys, patched, types }: Needs): ChannelState | undefined {
    if (patched.length > 0) return undefined;
    if (types.length === 0) return NOTHING_NEEDED;
    if (keys.length > 0) return undefined;
    const cached = cache.get(channel);
    return cached && types.every((type) => cached.byType.has(type)) ? { ...cached, seen: NONE_SEEN } : undefined;
  }

  async function readState(channel: string, needs: Needs): Promise<ChannelState> {
    if (needs.patched.length > 0) return readBoard(channel, needs);
    const { keys, types } = needs;
    for (;;) {
      const cached = cache.get(channel);
      const missing = cached ? types.filter((type) => !cached.byType.has(type)) : types;
      const read = await persist(() => log.facts({ channel, lane, fields: missing, idempotencyKeys: keys }));
      if (cached !== undefined && cached.applied !== read.applied) {
        cache.drop(channel);
        continue;
      }
      const byType = new Map(cached?.byType);
      for (const [n, type] of missing.entries()) byType.set(type, decodeFacts(read.values[n]));
      return { applied: read.applied, byType, seen: new Set(keys.filter((_, n) => read.seen[n])) };
    }
  }

  /** What patches apply to lies in the snapshot. A board has nothing to detect, and nothing in the cache. */
  async function readBoard(channel: string, { keys, patched }: Needs): Promise<ChannelState> {
    const read = await persist(() =>
      log.facts({ channel, lane, fields: patched, from: 'snapshot', idempotencyKeys: keys }),
    );
    return {
      applied: read.applied,
      byType: NOTHING_NEEDED.byType,
      snapshot: new Map(patched.map((key, n) => [key, read.values[n]])),
      seen: new Set(keys.filter((_, n) => read.seen[n])),
    };
  }

  async function append(request: AppendRequest): Promise<readonly (readonly string[] | undefined)[] | 'conflict'> {
    const outcome = await persist(() => log.append(request));
    switch (outcome.status) {
      case 'ok':
        return outcome.results;
      case 'conflict':
        return 'conflict';
      case 'fenced':
        throw new Fenced(outcome.generation);
    }
  }

  return async (channel, works) => {
    const needs = needsOf(works);
    for (;;) {
      const state = stateAtHand(channel, needs) ?? (await readState(channel, needs));
      const plan = planChannel(state, works);
      const applied: Applied[] = plan.repeated.map((id) => ({ id, bodies: undefined }));
      const last = plan.entries.at(-1);
      if (!last) return applied;
      const results = await append({ channel, lane, expected: state.applied, generations, entries: plan.entries });
      if (results === 'conflict') {
        options.onConflict();
        cache.drop(channel);
        continue;
      }
      remember(cache, channel, needs, { applied: last.intakeId, byType: plan.byType });
      for (const [n, entry] of plan.entries.entries()) {
        const brought = results[n]?.length;
        const bodies = brought === undefined ? undefined : entry.events.slice(0, brought).map(({ body }) => body);
        applied.push({ id: entry.intakeId, bodies });
      }
      return applied;
    }
  };
}

interface Needs {
  readonly types: readonly string[];
  readonly keys: readonly string[];
  /** Snapshot keys of the documents that are patched. */
  readonly patched: readonly string[];
}

function needsOf(works: readonly ChannelWork[]): Needs {
  const types: string[] = [];
  const keys: string[] = [];
  const patched: string[] = [];
  for (const { items, key } of works) {
    if (key !== undefined) addOnce(keys, key);
    for (const item of items) {
      if (item.kind === 'change') addOnce(types, item.change.violation_type);
      else if (isPatch(item.event)) addOnce(patched, snapshotKeyOf(item.event) ?? '');
    }
  }
  return { types, keys, patched };
}

function addOnce(list: string[], value: string): void {
  if (!list.includes(value)) list.push(value);
}

/** Where nothing of detection was touched the lane's position has moved on all the same. */
function remember(cache: FactsCache, channel: string, needs: Needs, known: KnownFacts): void {
  if (needs.types.length > 0 || cache.get(channel)) cache.set(channel, known);
}
