/** Applies entries to one channel: facts, plan, append; again from the facts when somebody else was faster. */
import type { AppendRequest, LogWriter } from '@belfry/shared/log';
import { isPatch } from '../changes/board.js';
import { snapshotKeyOf } from '../changes/event.js';
import { decodeFacts, type Facts } from '../changes/facts.js';
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

const NO_FACTS: ReadonlyMap<string, Facts | undefined> = new Map();
const NONE_SEEN: ReadonlySet<string> = new Set();

export function createChannelApply(options: ChannelApplyOptions): ChannelApply {
  const { cache, generations, lane, log, persist } = options;

  async function stateOf(channel: string, needs: Needs): Promise<ChannelState> {
    if (needs.patched.length > 0) return boardStateOf(channel, needs);
    const cached = cache.get(channel);
    if (needs.keys.length === 0) {
      if (needs.types.length === 0) return { applied: undefined, byType: NO_FACTS, seen: NONE_SEEN };
      if (cached && needs.types.every((type) => cached.byType.has(type))) return { ...cached, seen: NONE_SEEN };
    }
    const missing = cached ? needs.types.filter((type) => !cached.byType.has(type)) : needs.types;
    const read = await persist(() => log.facts({ channel, lane, fields: missing, idempotencyKeys: needs.keys }));
    const moved = cached !== undefined && cached.applied !== read.applied;
    if (moved) {
      cache.drop(channel);
      return stateOf(channel, needs);
    }
    const byType = new Map(cached?.byType);
    for (const [n, type] of missing.entries()) byType.set(type, decodeFacts(read.values[n]));
    return { applied: read.applied, byType, seen: new Set(needs.keys.filter((_, n) => read.seen[n])) };
  }

  /** What patches apply to lies in the snapshot. A board has nothing to detect, and nothing in the cache. */
  async function boardStateOf(channel: string, { keys, patched }: Needs): Promise<ChannelState> {
    const read = await persist(() =>
      log.facts({ channel, lane, fields: patched, from: 'snapshot', idempotencyKeys: keys }),
    );
    return {
      applied: read.applied,
      byType: NO_FACTS,
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
      const state = await stateOf(channel, needs);
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
        applied.push({ id: entry.intakeId, bodies: results[n] && entry.events.map(({ body }) => body) });
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
  const types = new Set<string>();
  const keys = new Set<string>();
  const patched = new Set<string>();
  for (const { items, key } of works) {
    if (key !== undefined) keys.add(key);
    for (const item of items) {
      if (item.kind === 'change') types.add(item.change.violation_type);
      else if (isPatch(item.event)) patched.add(snapshotKeyOf(item.event) ?? '');
    }
  }
  return { types: [...types], keys: [...keys], patched: [...patched] };
}

/** Where nothing of detection was touched the lane's position has moved on all the same. */
function remember(cache: FactsCache, channel: string, needs: Needs, known: KnownFacts): void {
  if (needs.types.length > 0 || cache.get(channel)) cache.set(channel, known);
}
