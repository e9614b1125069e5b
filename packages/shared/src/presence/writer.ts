/**
 * Presence, written: what a gateway knows of its clients, told to Redis about once a second. Nothing of it is on a
 * client's way: the writer compares what there is with what Redis has, and writes the difference. So it does not matter
 * what was lost on the way, and a gateway that Redis has forgotten tells everything anew.
 */
import type { Connection } from '../log/index.js';
import type { Clock, Logger } from '../service/index.js';
import { presenceKeys } from './keys.js';
import { withPresenceScripts } from './scripts.js';

/** Something that is counted by name: connections by user, followers by channel. What counts 0 is not there. */
export interface Counts {
  /** With those that count 0, perhaps. Gone through every second: it should make nothing anew for each. */
  names(): Iterable<string>;
  count(name: string): number;
}

export interface PresenceWriterOptions {
  readonly connection: Connection;
  readonly prefix: string;
  /** This gateway's name, unique. */
  readonly node: string;
  readonly users: Counts;
  readonly channels: Counts;
  /** Milliseconds after the last sign of life for which what was written counts. */
  readonly expiryMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface PresenceWriter {
  /** When Redis last had all there was to tell, in milliseconds since 1970; 0 for never. */
  readonly currentAt: number;
  /** Takes everything back: nobody has to wait for the expiry. */
  close(): Promise<void>;
}

interface Known {
  readonly count: number;
  /** Milliseconds since 1970. */
  readonly since: number;
}

type Change = readonly [name: string, count: number];

/** Signs of life in the time of the expiry: some may be lost, or late. */
const BEATS = 5;
const LONGEST_BEAT_MS = 1_000;
/** One call of this many takes Redis less than a millisecond. */
const CHANGES_PER_CALL = 250;
/** Comparing this many takes some tenths of a millisecond: then others get their turn. */
const COMPARED_PER_TURN = 2_000;
/** A day's worth on a busy site would be more than anybody reads: who wants them all reads them as they come. */
const MAX_OCCUPANCY_ENTRIES = 100_000;
const SWEEP_CHANNELS = 500;
/** Sweeps of one beat: the others have beats too. */
const SWEEPS_PER_BEAT = 50;

export function startPresenceWriter(options: PresenceWriterOptions): PresenceWriter {
  const { clock, expiryMs, logger, node } = options;
  const redis = withPresenceScripts(options.connection);
  const keys = presenceKeys(options.prefix);
  const usersKey = keys.usersOf + node;
  const channelsKey = keys.channelsOf + node;
  /** What Redis has of this gateway. */
  let users = new Map<string, Known>();
  /** Numbers alone: there are as many as connections, and nobody asks since when a channel has followers. */
  let channels = new Map<string, number>();
  /** Undefined while it is not known what Redis has. */
  let version: number | undefined;
  let currentAt = 0;
  let closing = false;
  let running: Promise<void> | undefined;

  const flush = (known: number | '', ttlMs: number, userArgs: string[], channelArgs: string[]): Promise<number> =>
    redis.presenceFlush(
      keys.nodes,
      keys.versions,
      keys.occupied,
      keys.occupancy,
      usersKey,
      channelsKey,
      node,
      known,
      ttlMs,
      MAX_OCCUPANCY_ENTRIES,
      userArgs.length / 2,
      userArgs,
      channelArgs,
    );

  /** Reads what Redis has: written by this process, or by the one before it under the same name. */
  async function load(): Promise<number> {
    // Alive first, so that nobody sweeps away what is being read.
    const loaded = await flush('', expiryMs, [], []);
    const [userValues, channelValues] = await Promise.all([redis.hgetall(usersKey), redis.hgetall(channelsKey)]);
    const knownOf = (value: string): Known => {
      const [count, since] = value.split(' ').map(Number);
      return { count: count ?? 0, since: since ?? 0 };
    };
    users = new Map(Object.entries(userValues).map(([user, value]) => [user, knownOf(value)]));
    channels = new Map(Object.entries(channelValues).map(([channel, value]) => [channel, knownOf(value).count]));
    return loaded;
  }

  /** What is different from `known`, in parts. */
  async function* differences<T>(counts: Counts, known: ReadonlyMap<string, T>, countIn: (told: T) => number) {
    const told = (name: string): number => {
      const one = known.get(name);
      return one === undefined ? 0 : countIn(one);
    };
    const comparison: Comparison = { present: 0, part: [] };
    const here = counts.names()[Symbol.iterator]();
    while (compareSome(comparison, here, counts, told)) {
      if (comparison.part.length > 0) yield taken(comparison);
      else await nextTurn();
    }
    if (comparison.part.length > 0) yield taken(comparison);
    // Whoever is here is known by now: where as many are known, nobody has gone.
    if (known.size === comparison.present) return;
    const before = known.keys();
    while (findGone(comparison, before, counts)) {
      if (comparison.part.length > 0) yield taken(comparison);
      else await nextTurn();
    }
    if (comparison.part.length > 0) yield taken(comparison);
  }

  /** One for all who came in one write with as many connections: in a rush of clients there are thousands of them. */
  let latest: Known = { count: 0, since: 0 };
  function knownAs(count: number, since: number): Known {
    if (latest.count !== count || latest.since !== since) latest = { count, since };
    return latest;
  }

  /** False when Redis does not have what was written last. */
  async function write(userPart: readonly Change[], channelPart: readonly Change[]): Promise<boolean> {
    const now = clock.now();
    const since = (user: string): number => users.get(user)?.since ?? now;
    const userArgs: string[] = [];
    for (const [user, count] of userPart) userArgs.push(user, count === 0 ? '' : `${count} ${since(user)}`);
    const channelArgs: string[] = [];
    for (const [channel, count] of channelPart) channelArgs.push(channel, String(count));
    const written = await flush(version ?? '', expiryMs, userArgs, channelArgs);
    if (written === -1) return false;
    version = written;
    for (const [user, count] of userPart) {
      if (count === 0) users.delete(user);
      else users.set(user, knownAs(count, since(user)));
    }
    for (const [channel, count] of channelPart) {
      if (count === 0) channels.delete(channel);
      else channels.set(channel, count);
    }
    return true;
  }

  async function tell(): Promise<void> {
    version ??= await load();
    if (!(await write([], []))) return forget();
    for await (const part of differences(options.users, users, ({ count }) => count))
      if (!(await write(part, []))) return forget();
    for await (const part of differences(options.channels, channels, (count) => count))
      if (!(await write([], part))) return forget();
    currentAt = clock.now();
  }

  function forget(): void {
    version = undefined;
    logger.info('presence is told anew: Redis does not have what was written last');
  }

  async function beat(): Promise<void> {
    try {
      await tell();
      await sweep(SWEEPS_PER_BEAT);
    } catch (error) {
      // What of it Redis did is not known.
      version = undefined;
      logger.debug({ err: error }, 'presence could not be told');
    }
  }

  /** Forgets gateways that were not heard of in time; any that is alive does that for all. */
  async function sweep(times: number): Promise<void> {
    for (let n = 0; n < times; n += 1) {
      const more = await redis.presenceSweep(
        keys.nodes,
        keys.versions,
        keys.occupied,
        keys.occupancy,
        keys.usersOf,
        keys.channelsOf,
        MAX_OCCUPANCY_ENTRIES,
        SWEEP_CHANNELS,
      );
      if (more === 0) return;
    }
  }

  function beatUnlessBusy(): void {
    if (closing) return;
    running ??= beat().finally(() => {
      running = undefined;
    });
  }
  const stop = clock.every(Math.min(LONGEST_BEAT_MS, expiryMs / BEATS), beatUnlessBusy);
  beatUnlessBusy();

  return {
    get currentAt() {
      return currentAt;
    },
    async close() {
      closing = true;
      stop();
      await running;
      await flush('', 0, [], []);
      await sweep(Number.POSITIVE_INFINITY);
    },
  };
}

interface Comparison {
  /** How many of those that were looked at are here. */
  present: number;
  /** What is different, and not told yet. */
  part: Change[];
}

/**
 * Looks at the next names of those who are here; false when there are no more. Not in the generator itself, which V8 runs
 * so that it makes an object for each name: a megabyte of garbage a second on a gateway with five thousand clients.
 */
function compareSome(
  comparison: Comparison,
  names: Iterator<string>,
  counts: Counts,
  told: (name: string) => number,
): boolean {
  for (let n = 0; n < COMPARED_PER_TURN && comparison.part.length < CHANGES_PER_CALL; n += 1) {
    const next = names.next();
    if (next.done) return false;
    const count = counts.count(next.value);
    if (count === 0) continue;
    comparison.present += 1;
    if (count !== told(next.value)) comparison.part.push([next.value, count]);
  }
  return true;
}

/** Looks at the next names of those who were here; false when there are no more. */
function findGone(comparison: Comparison, names: Iterator<string>, counts: Counts): boolean {
  for (let n = 0; n < COMPARED_PER_TURN && comparison.part.length < CHANGES_PER_CALL; n += 1) {
    const next = names.next();
    if (next.done) return false;
    if (counts.count(next.value) === 0) comparison.part.push([next.value, 0]);
  }
  return true;
}

function taken(comparison: Comparison): Change[] {
  const { part } = comparison;
  comparison.part = [];
  return part;
}

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
