/**
 * What a Redis holds of the channel log, in memory, with the exact rules of the Lua scripts: `append.lua`, `read.lua`,
 * `facts.lua`. It answers at once; the conformance suite holds it against real Redis.
 */
import { comparePositions, formatPosition, frameOf, GLOBAL_CHANNEL, type Position } from '../../protocol/index.js';
import type {
  AppendEntry,
  AppendOutcome,
  AppendRequest,
  ChannelFacts,
  ChannelReading,
  FactsSource,
  NewEvent,
  ReadRequest,
} from '../log.js';
import { markTtlSeconds, type Retention, snapshotTtlSeconds } from '../retention.js';

/** What befalls a Redis. */
export interface MemoryStore {
  read(channel: string, request: ReadRequest): ChannelReading;
  position(channel: string): Position | undefined;
  keep(channel: string): void;
  append(request: AppendRequest): AppendOutcome;
  facts(
    channel: string,
    lane: number,
    fields: readonly string[],
    idempotencyKeys: readonly string[],
    from?: FactsSource,
  ): ChannelFacts;
  applied(channel: string, intakeIds: readonly string[]): ReadonlyMap<string, readonly string[]>;
  /** Restart, failover or promotion: another replication id, and the last `lostWrites` writes never were. */
  restart(lostWrites?: number): void;
  /** FLUSHALL: everything is gone, the replication id stays. */
  flush(): void;
  /** The eviction, or the early end, of one of a channel's keys. */
  forget(channel: string, key: 'log' | 'meta'): void;
  /** As `readGenerations` tells it. */
  readonly generation: string;
  /** How many writes there have been: the difference of two is what a restart in between can lose. */
  readonly writes: number;
}

export interface MemoryStoreOptions {
  /** Milliseconds since 1970, for epochs and expiry. */
  readonly now: () => number;
  readonly random: () => number;
  readonly retention: Retention;
  /** Called for each event as it is appended, like the script's SPUBLISH. */
  readonly publish: (channel: string, frame: string) => void;
  /** Sees each entry as it is written, marks included: for a simulation's model. */
  readonly onWritten?: ((channel: string, written: Written) => void) | undefined;
}

/** An entry and the channel as it stood after it. */
export interface Written {
  readonly position: Position;
  readonly frame: string | undefined;
  /** The log's end before it; undefined where there was no log. */
  readonly previous: Position | undefined;
  readonly snapshot: readonly string[];
}

interface Entry {
  readonly position: Position;
  /** Undefined for a mark. */
  readonly body: string | undefined;
  readonly intakeId: string | undefined;
}

interface Meta {
  readonly epoch: number | undefined;
  readonly generation: string | undefined;
  readonly lanes: ReadonlyMap<number, string>;
  /** When the next event gives the keys their times anew, in milliseconds since 1970. */
  readonly renewAt: number;
}

interface Expiring<T> {
  readonly value: T;
  /** Milliseconds since 1970; Infinity for ever. */
  readonly expiresAt: number;
}

/** A channel's keys at one instant. Never changed, only replaced: so that a restart can go back to an earlier one. */
interface Keys {
  readonly log: Expiring<readonly Entry[]> | undefined;
  readonly meta: Expiring<Meta> | undefined;
  readonly snapshot: Expiring<ReadonlyMap<string, string>> | undefined;
  readonly facts: ReadonlyMap<string, string>;
  /** Idempotency keys and when each expires. */
  readonly seen: ReadonlyMap<string, number>;
}

const NOTHING: Keys = { log: undefined, meta: undefined, snapshot: undefined, facts: new Map(), seen: new Map() };
const NO_META: Meta = { epoch: undefined, generation: undefined, lanes: new Map(), renewAt: 0 };
/** No fault loses more writes than this. */
const MAX_JOURNAL = 1_000;

export function createMemoryStore(options: MemoryStoreOptions): MemoryStore {
  const { now, retention } = options;
  const channels = new Map<string, Keys>();
  /** The state before each of the last writes. */
  let journal: { readonly channel: string; readonly before: Keys | undefined }[] = [];
  let writes = 0;
  let generation = newGeneration();

  function newGeneration(): string {
    return Array.from({ length: 12 }, () => Math.floor(options.random() * 16).toString(16)).join('');
  }

  function alive<T>(key: Expiring<T> | undefined): Expiring<T> | undefined {
    return key && key.expiresAt > now() ? key : undefined;
  }

  function keysOf(channel: string): Keys {
    const { log, meta, snapshot, facts, seen } = channels.get(channel) ?? NOTHING;
    return { log: alive(log), meta: alive(meta), snapshot: alive(snapshot), facts, seen };
  }

  function write(channel: string, keys: Keys): void {
    journal.push({ channel, before: channels.get(channel) });
    if (journal.length > MAX_JOURNAL) journal.shift();
    writes += 1;
    channels.set(channel, keys);
  }

  const inSeconds = (seconds: number): number => now() + seconds * 1000;
  const endOf = (keys: Keys): Position | undefined => keys.log?.value.at(-1)?.position;

  /** Later than any epoch before, and than the log's own end. */
  function newEpoch(keys: Keys): number {
    const meta = keys.meta?.value.epoch;
    const end = endOf(keys)?.epoch;
    return Math.max(Math.floor(now()), meta === undefined ? 0 : meta + 1, end === undefined ? 0 : end + 1);
  }

  /** As XADD `<epoch>-*`: one behind the last of the epoch, else 0. */
  function nextPosition(keys: Keys, epoch: number): Position {
    const end = endOf(keys);
    return { epoch, offset: end && end.epoch === epoch ? end.offset + 1 : 0 };
  }

  function tell(channel: string, previous: Position | undefined, keys: Keys, frame: string | undefined): void {
    const snapshot = [...(keys.snapshot?.value.values() ?? [])];
    options.onWritten?.(channel, { position: endOf(keys) as Position, frame, previous, snapshot });
  }

  /** A channel without a log gets one, whose first entry is a mark. */
  function begin(channel: string, keys: Keys): Keys {
    const epoch = newEpoch(keys);
    const expiresAt = inSeconds(markTtlSeconds(retention));
    const metaExpiresAt = Math.max(expiresAt, keys.meta?.expiresAt ?? 0);
    const mark: Entry = { position: { epoch, offset: 0 }, body: undefined, intakeId: undefined };
    const begun: Keys = {
      ...keys,
      log: { value: [mark], expiresAt },
      meta: { value: { ...(keys.meta?.value ?? NO_META), epoch, generation, renewAt: 0 }, expiresAt: metaExpiresAt },
    };
    write(channel, begun);
    tell(channel, undefined, begun, undefined);
    return begun;
  }

  function read(channel: string, request: ReadRequest): ChannelReading {
    const stored = keysOf(channel);
    const keys = stored.log || request.begin === false ? stored : begin(channel, stored);
    const log = keys.log?.value ?? [];
    const { from } = request;
    const at = from ? log.findIndex(({ position }) => comparePositions(position, from) === 0) : -1;
    const continuous = at !== -1;
    const rows = continuous ? log.slice(at + 1) : request.last > 0 ? log.slice(-request.last) : [];
    const snapshotRead = request.snapshot === 'always' || (request.snapshot === 'broken' && !continuous);
    return {
      position: endOf(keys) ?? { epoch: 0, offset: 0 },
      continuous,
      entries: rows.map(({ position, body }) => ({
        position,
        frame: body === undefined ? undefined : frameOf(formatPosition(position), body),
      })),
      snapshot: snapshotRead ? [...(keys.snapshot?.value.values() ?? [])] : undefined,
    };
  }

  function append(request: AppendRequest): AppendOutcome {
    const { channel, lane } = request;
    const work = createWork(channel, keysOf(channel));
    let applied = work.lanes.get(lane) ?? '0-0';
    let { expected } = request;
    const results: (readonly string[] | undefined)[] = [];
    for (const entry of request.entries) {
      if (compareIntakeIds(entry.intakeId, applied) <= 0) {
        results.push(undefined);
        continue;
      }
      if (request.generations && !request.generations.includes(generation)) return { status: 'fenced', generation };
      if (expected !== undefined && expected !== applied) return { status: 'conflict', applied };
      results.push(work.apply(entry, expected === undefined));
      work.lanes.set(lane, entry.intakeId);
      applied = entry.intakeId;
      if (expected !== undefined) expected = entry.intakeId;
    }
    work.finish();
    return { status: 'ok', epochChanged: work.epochChanged, results };
  }

  /** One append under way: nothing of it is seen before `finish`. */
  function createWork(channel: string, start: Keys) {
    const meta = start.meta?.value ?? NO_META;
    const lanes = new Map(meta.lanes);
    const snapshot = new Map(start.snapshot?.value);
    const facts = new Map(start.facts);
    const seen = new Map(start.seen);
    const maxEvents = channel === GLOBAL_CHANNEL ? retention.maxGlobalEvents : retention.maxEvents;
    const written: (() => void)[] = [];
    let log = [...(start.log?.value ?? [])];
    let { epoch } = meta;
    let appended = false;
    let epochChanged = false;
    /** A snapshot begun anew has no time yet. */
    let renewsEarly = false;

    function takeEpoch(): number {
      if (epoch !== undefined && meta.generation === generation && start.log) return epoch;
      if (epoch !== undefined) epochChanged = meta.generation !== generation;
      return newEpoch(start);
    }

    function add(entry: AppendEntry, { body, key, removes }: NewEvent): string {
      if (!appended) epoch = takeEpoch();
      appended = true;
      const previous = log.at(-1)?.position;
      const position = nextPosition(current(), epoch as number);
      const frame = frameOf(formatPosition(position), body);
      log = [...log, { position, body, intakeId: entry.intakeId }].slice(-maxEvents);
      if (key && removes) snapshot.delete(key);
      else if (key) {
        if (snapshot.size === 0) renewsEarly = true;
        snapshot.set(key, frame);
      }
      const state = [...snapshot.values()];
      written.push(() => {
        options.onWritten?.(channel, { position, frame, previous, snapshot: state });
        options.publish(channel, frame);
      });
      return formatPosition(position);
    }

    const current = (): Keys => ({ ...start, log: log.length > 0 ? { value: log, expiresAt: Infinity } : undefined });

    return {
      lanes,
      get epochChanged() {
        return epochChanged;
      },
      apply(entry: AppendEntry, onceByKey: boolean): string[] {
        if (onceByKey && entry.idempotencyKey && (seen.get(entry.idempotencyKey) ?? 0) > now()) return [];
        const ids = entry.events.map((event) => add(entry, event));
        for (const [field, value] of Object.entries(entry.facts ?? {})) {
          if (value === '') facts.delete(field);
          else facts.set(field, value);
        }
        if (entry.idempotencyKey) seen.set(entry.idempotencyKey, inSeconds(retention.idempotencyTtlSeconds));
        return ids;
      },
      finish(): void {
        const { logTtlSeconds: logTtl } = retention;
        const snapshotTtl = snapshotTtlSeconds(channel, retention);
        const spare = Math.floor(Math.min(logTtl, snapshotTtl || logTtl) / 10);
        const due = now() >= meta.renewAt;
        const renews = appended && (due || renewsEarly || epoch !== meta.epoch);
        const logExpiry = renews ? inSeconds(logTtl + spare) : Number(start.log?.expiresAt);
        const metaExpiry = renews ? logExpiry : due ? inSeconds(logTtl) : Number(start.meta?.expiresAt);
        const newSnapshotExpiry = snapshotTtl > 0 ? inSeconds(snapshotTtl + spare) : Infinity;
        const snapshotExpiry = renews ? newSnapshotExpiry : (start.snapshot?.expiresAt ?? Infinity);
        const renewAt = renews ? inSeconds(spare) : due ? 0 : meta.renewAt;
        const value: Meta = { epoch, generation: appended ? generation : meta.generation, lanes, renewAt };

        write(channel, {
          log: log.length > 0 ? { value: log, expiresAt: logExpiry } : undefined,
          meta: { value, expiresAt: metaExpiry },
          snapshot: snapshot.size > 0 ? { value: snapshot, expiresAt: snapshotExpiry } : undefined,
          facts,
          seen,
        });
        for (const tellAndPublish of written) tellAndPublish();
      },
    };
  }

  /** Not one of the writes that a restart can lose: no event and no position depends on it. */
  function keep(channel: string): void {
    const keys = keysOf(channel);
    const until = inSeconds(markTtlSeconds(retention));
    const longer = <T>(key: Expiring<T> | undefined): Expiring<T> | undefined =>
      key && { ...key, expiresAt: Math.max(key.expiresAt, until) };
    if (!channels.has(channel)) return;
    channels.set(channel, { ...keys, log: longer(keys.log), meta: longer(keys.meta), snapshot: longer(keys.snapshot) });
  }

  return {
    read,
    append,
    keep,
    position: (channel) => endOf(keysOf(channel)),
    facts(channel, lane, fields, idempotencyKeys, from = 'facts') {
      const { meta, facts, seen, snapshot } = keysOf(channel);
      const source = from === 'facts' ? facts : snapshot?.value;
      return {
        applied: meta?.value.lanes.get(lane) ?? '0-0',
        values: fields.map((field) => source?.get(field)),
        seen: idempotencyKeys.map((key) => (seen.get(key) ?? 0) > now()),
      };
    },
    applied(channel, intakeIds) {
      const found = new Map<string, string[]>();
      for (const { position, body, intakeId } of keysOf(channel).log?.value ?? []) {
        if (body === undefined || intakeId === undefined || !intakeIds.includes(intakeId)) continue;
        const frames = found.get(intakeId) ?? [];
        frames.push(frameOf(formatPosition(position), body));
        found.set(intakeId, frames);
      }
      return found;
    },
    restart(lostWrites = 0) {
      generation = newGeneration();
      for (let n = 0; n < lostWrites; n += 1) {
        const last = journal.pop();
        if (!last) break;
        if (last.before) channels.set(last.channel, last.before);
        else channels.delete(last.channel);
      }
    },
    flush() {
      channels.clear();
      journal = [];
    },
    forget: (channel, key) => write(channel, { ...keysOf(channel), [key]: undefined }),
    get generation() {
      return generation;
    },
    get writes() {
      return writes;
    },
  };
}

/** `<ms>-<seq>`, as of a stream: each has 64 bits. */
function compareIntakeIds(a: string, b: string): number {
  const [aMs, aSeq] = a.split('-').map(BigInt) as [bigint, bigint];
  const [bMs, bSeq] = b.split('-').map(BigInt) as [bigint, bigint];
  const difference = aMs - bMs || aSeq - bSeq;
  return difference < 0n ? -1 : Number(difference > 0n);
}
