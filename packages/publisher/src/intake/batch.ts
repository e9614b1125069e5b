/**
 * Applies a batch of one share's entries: to their channels all at once, one call a channel; then to `global`, where
 * every property's events meet, in the order of the intake.
 */
import { type AppendEntry, type AppendOutcome, ChannelBroken, type LogWriter, type NewEvent } from '@belfry/shared/log';
import { GLOBAL_CHANNEL, propertyOf } from '@belfry/shared/protocol';
import { type Applied, type ChannelApply, decidesNothing, Fenced } from './channel-apply.js';
import type { IntakeEntry, IntakeItem } from './entry.js';
import { compareIds, FIRST_ID, laterId } from './id.js';
import { type ChannelWork, planChannel } from './plan.js';

/** What a share has to do for one intake entry. */
export interface ShareWork {
  readonly id: string;
  readonly entry: IntakeEntry;
  /** How many characters the entry has. */
  readonly weight: number;
  readonly key: string | undefined;
  readonly items: readonly IntakeItem[];
}

export interface BatchApplyOptions {
  readonly log: LogWriter;
  readonly lane: number;
  readonly generations: readonly string[];
  readonly applyToChannel: ChannelApply;
  readonly persist: <T>(call: () => Promise<T>) => Promise<T>;
  /** Events appended, with the number of them on `global`. */
  readonly onAppended: (events: number, global: number) => void;
}

/**
 * Which channels hold up no other: broken ones alone, or any over which something is thrown. The latter is for an entry by
 * itself, since of several on a channel it cannot be told which one fails.
 */
export type Refuse = 'broken' | 'failing';

/**
 * Resolves when every entry is applied everywhere but on the channels that `refuse` names: with the ids of those that
 * concern one, and why. @throws Fenced, what `persist` gives up with, or what an entry fails with
 */
export type BatchApply = (works: readonly ShareWork[], refuse: Refuse) => Promise<ReadonlyMap<string, string>>;

export function createBatchApply(options: BatchApplyOptions): BatchApply {
  const { applyToChannel, generations, lane, log, persist } = options;
  /** The lane's position on `global`; what is behind it is worked off altogether. */
  let globalApplied: string | undefined;

  /** For `global`: what a property's channel took now, or had taken before. */
  async function relayed(channel: string, applied: readonly Applied[]): Promise<readonly Relayed[]> {
    const bodies: Relayed[] = [];
    const before: string[] = [];
    for (const entry of applied) {
      if (entry.bodies) for (const body of entry.bodies) bodies.push({ id: entry.id, body: globalBody(channel, body) });
      else if (compareIds(entry.id, globalApplied ?? FIRST_ID) > 0) before.push(entry.id);
    }
    // Somebody appended these and died before, or has yet to come to, `global`.
    if (before.length > 0) {
      const frames = await persist(() => log.applied(channel, before));
      for (const [id, texts] of frames) {
        for (const frame of texts) bodies.push({ id, body: globalBody(channel, bodyOf(frame)) });
      }
    }
    return bodies;
  }

  async function appendToGlobal(entries: readonly AppendEntry[]): Promise<void> {
    const last = entries.at(-1);
    if (!last) return;
    const outcome: AppendOutcome = await persist(() =>
      log.append({ channel: GLOBAL_CHANNEL, lane, generations, entries }),
    );
    if (outcome.status === 'fenced') throw new Fenced(outcome.generation);
    globalApplied = laterId(last.intakeId, globalApplied ?? FIRST_ID);
    const appended = outcome.status === 'ok' ? outcome.results.flatMap((ids) => ids ?? []).length : 0;
    options.onAppended(0, appended);
  }

  /**
   * Entries that were sent to `global` itself. One whose key was seen is left out here, and not by the append: that would
   * leave out what is relayed of the same entry as well.
   */
  async function directEntries(works: readonly ChannelWork[]): Promise<readonly AppendEntry[]> {
    if (works.length === 0) return [];
    const keys = works.flatMap(({ key }) => key ?? []);
    const { seen } = await persist(() =>
      log.facts({ channel: GLOBAL_CHANNEL, lane, fields: [], idempotencyKeys: keys }),
    );
    const seenKeys = new Set(keys.filter((_, n) => seen[n]));
    return planChannel({ applied: globalApplied, byType: new Map(), seen: seenKeys }, works).entries;
  }

  async function readGlobalApplied(): Promise<string> {
    const asked = { channel: GLOBAL_CHANNEL, lane, fields: [], idempotencyKeys: [] };
    return (await persist(() => log.facts(asked))).applied;
  }

  return async (works, refuse) => {
    const refused = new Map<string, string>();
    /** A channel that takes nothing holds up no other: what concerns it is refused. */
    async function unlessRefused<T>(
      concerned: readonly { id: string }[],
      call: () => Promise<T>,
      instead: T,
    ): Promise<T> {
      try {
        return await call();
      } catch (error) {
        if (decidesNothing(error) || (refuse === 'broken' && !(error instanceof ChannelBroken))) throw error;
        for (const { id } of concerned) refused.set(id, (error as Error).message);
        return instead;
      }
    }

    globalApplied ??= await unlessRefused([], readGlobalApplied, undefined);
    const byChannel = groupByChannel(works);
    const direct = byChannel.get(GLOBAL_CHANNEL) ?? [];
    byChannel.delete(GLOBAL_CHANNEL);
    let events = 0;
    const parts = await settled(
      [...byChannel].map(([channel, channelWorks]) =>
        unlessRefused(channelWorks, async () => {
          const applied = await applyToChannel(channel, channelWorks);
          for (const { bodies } of applied) events += bodies?.length ?? 0;
          return propertyOf(channel) === undefined ? [] : relayed(channel, applied);
        }, []),
      ),
    ).finally(() => options.onAppended(events, 0));
    const entries = merge(works, parts.flat(), await unlessRefused(direct, () => directEntries(direct), []));
    const concerned = entries.map(({ intakeId }) => ({ id: intakeId }));
    await unlessRefused(concerned, () => appendToGlobal(entries), undefined);
    return refused;
  };
}

function groupByChannel(works: readonly ShareWork[]): Map<string, ChannelWork[]> {
  const byChannel = new Map<string, ChannelWork[]>();
  for (const work of works) {
    for (const [channel, items] of itemsByChannel(work.items)) {
      const list = byChannel.get(channel);
      const part = { id: work.id, key: work.key, items };
      if (list) list.push(part);
      else byChannel.set(channel, [part]);
    }
  }
  return byChannel;
}

function itemsByChannel(items: readonly IntakeItem[]): Iterable<[string, readonly IntakeItem[]]> {
  const [only] = items;
  if (only && items.length === 1) return [[only.channel, items]];
  const byChannel = new Map<string, IntakeItem[]>();
  for (const item of items) {
    const list = byChannel.get(item.channel);
    if (list) list.push(item);
    else byChannel.set(item.channel, [item]);
  }
  return byChannel;
}

/** An event of a property, for `global`. */
interface Relayed {
  readonly id: string;
  readonly body: string;
}

/** One entry per intake id, in the order of the intake, which is that of `works`. */
function merge(
  works: readonly ShareWork[],
  relayed: readonly Relayed[],
  direct: readonly AppendEntry[],
): readonly AppendEntry[] {
  const byId = new Map<string, AppendEntry & { readonly events: NewEvent[] }>();
  for (const { id } of works) byId.set(id, { intakeId: id, events: [] });
  for (const entry of direct) byId.set(entry.intakeId, { ...entry, events: [...entry.events] });
  // Not part of the snapshot of `global`: that would grow with the number of properties.
  for (const { body, id } of relayed) byId.get(id)?.events.push({ key: undefined, body });
  return [...byId.values()].filter(({ events }) => events.length > 0);
}

/** Bodies begin with their channel: see `violationUpdateBody` and `serviceEventBody`. */
const globalBody = (channel: string, body: string): string =>
  `{"channel":"${GLOBAL_CHANNEL}"${body.slice('{"channel":""'.length + channel.length)}`;

/** A frame without its position: the frame begins with `"id":"<position>",`. */
const bodyOf = (frame: string): string => `{${frame.slice(frame.indexOf(',') + 1)}`;

/** Waits for all, also where some fail: nothing of a batch may be under way when the next one begins. */
async function settled<T>(promises: readonly Promise<T>[]): Promise<T[]> {
  const outcomes = await Promise.allSettled(promises);
  const values: T[] = [];
  let fenced: unknown;
  let failure: unknown;
  for (const outcome of outcomes) {
    if (outcome.status === 'fulfilled') values.push(outcome.value);
    else if (outcome.reason instanceof Fenced) fenced ??= outcome.reason;
    else failure ??= outcome.reason;
  }
  if (fenced ?? failure) throw fenced ?? failure;
  return values;
}
