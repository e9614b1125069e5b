/**
 * `kpi:update`: keeps the figures of connected users up to date. Publishers divide the users among them by leases; each
 * follows three streams: who came and went, who wrote a portfolio, and `global`, which says what property has changed. What
 * may have been missed is counted from the properties themselves.
 */
import { randomUUID } from 'node:crypto';
import { type Connection, channelKeys } from '@belfry/shared/log';
import type { AccessStore } from '@belfry/shared/preferences';
import { type PresenceReader, presenceKeys } from '@belfry/shared/presence';
import { GLOBAL_CHANNEL, userChannel } from '@belfry/shared/protocol';
import type { Clock, Logger } from '@belfry/shared/service';
import type { IntakeDoor } from '../intake/door.js';
import { withLeaseScripts } from '../leases/scripts.js';
import { createShares, shareOf } from '../leases/shares.js';
import { type Counter, PARTS_MS } from './counter.js';
import { createDue, type Turn } from './due.js';
import type { Kpis } from './figures.js';
import { follow, type Row } from './follow.js';
import type { PortfolioKeys } from './keys.js';
import type { KpiMetrics } from './metrics.js';
import type { PortfolioStore } from './store.js';

export interface UpdatesOptions {
  readonly connection: Connection;
  readonly prefix: string;
  readonly keys: PortfolioKeys;
  /** Unique among publishers. */
  readonly name: string;
  readonly leaseMs: number;
  readonly store: PortfolioStore;
  readonly access: Pick<AccessStore, 'read'>;
  readonly counter: Counter;
  readonly presence: PresenceReader;
  readonly door: IntakeDoor;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly metrics: KpiMetrics;
}

export interface Updates {
  close(): Promise<void>;
}

/** Into so many parts the users are divided among publishers. */
const SHARES = 16;
/** A user's figures are counted at most this often. */
const INTERVAL_MS = 1_000;
const FOLLOW_MS = 100;
const TICK_MS = 50;
/** Asked of presence at once. */
const TURNS = 64;
/** Counted at a time: a portfolio that nothing is known of costs Redis some milliseconds. */
const AT_ONCE = 8;
/** Shorter than the interval: it only keeps two publishers apart, of which one has just taken over. */
const COUNTED_MS = 900;
/** Whoever is connected and was overlooked is found after this. */
const RECONCILE_MS = 60_000;
const SENT_SECONDS = 86_400;
/** How events of a property begin on `global`: see `violationUpdateBody`. */
const CHANGED = /^\{"channel":"global","type":"VIOLATION_UPDATE","property_id":"([A-Za-z0-9_-]{1,64})"/;

export function startUpdates(options: UpdatesOptions): Updates {
  const { clock, connection, counter, door, keys, logger, metrics, name, prefix, presence, store } = options;
  const due = createDue({ now: clock.now, intervalMs: INTERVAL_MS, renewMs: PARTS_MS });
  const shares = createShares({
    commands: withLeaseScripts(connection),
    keys: keys.leases,
    shares: SHARES,
    name,
    leaseMs: options.leaseMs,
    clock,
    logger,
    random: options.random,
    onChange: () => inBackground('the users cannot be divided', divide()),
    onMisfit: (actual) => logger.error({ actual }, 'the users are divided into another number of shares'),
  });
  /** Parts of figures from before a gap are never looked at again. */
  let era = randomUUID();
  /** Until then parts are about that changes have to be taken from, whether or not somebody is connected. */
  let partsUntil = 0;
  let closing = false;
  let working: Promise<void> | undefined;
  /** What is under way with a user's parts: what was read before a change must not be kept behind it. */
  const busy = new Map<string, Promise<unknown>>();

  const inBackground = (what: string, work: Promise<void>): void => {
    work.catch((error: unknown) => logger.debug({ err: error }, what));
  };

  /**
   * Whether we count for a user. Who belongs to another publisher is not due here any more, as what changes for them goes
   * unseen: should they come back, they are found, and counted anew.
   */
  function isOurs(userId: string): boolean {
    const ours = shares.held().has(shareOf(userId, SHARES));
    if (!ours) due.drop(userId);
    return ours;
  }

  function alone(userId: string, run: () => Promise<void>): Promise<void> {
    const next = (busy.get(userId) ?? Promise.resolve()).then(run, run);
    const settled = next
      .catch(() => undefined)
      .then(() => {
        if (busy.get(userId) === settled) busy.delete(userId);
      });
    busy.set(userId, settled);
    return next;
  }

  async function divide(): Promise<void> {
    for (const share of [...shares.surplus()]) await shares.release(share);
    // Of the users that are new here others may have kept parts, or nobody.
    era = randomUUID();
    await reconcile();
  }

  /** Finds everybody who is connected. */
  async function reconcile(): Promise<void> {
    const connected = new Set<string>();
    for await (const channel of presence.occupiedChannels()) {
      const userId = userOf(channel);
      if (userId !== undefined && isOurs(userId)) connected.add(userId);
    }
    for (const userId of connected) if (!due.has(userId)) due.add(userId, false);
  }

  async function cameAndWent(rows: readonly Row[]): Promise<void> {
    for (const [, [, channel = '', , event]] of rows) {
      const userId = userOf(channel);
      if (userId === undefined || !isOurs(userId)) continue;
      if (event === 'occupied') due.add(userId, true);
      else due.drop(userId);
    }
  }

  async function written(rows: readonly Row[]): Promise<void> {
    for (const [, [, userId = '']] of rows) if (isOurs(userId)) due.add(userId, true);
  }

  async function changed(rows: readonly Row[]): Promise<void> {
    const properties = new Set<string>();
    for (const [, [, body = '']] of rows) {
      const property = CHANGED.exec(body)?.[1];
      if (property !== undefined) properties.add(property);
    }
    const holders = [...(await store.holdersOf([...properties]))].filter(([userId]) => isOurs(userId));
    await Promise.all(
      holders.map(async ([userId, held]) => {
        // Also for who is away: within five minutes they may be back.
        await alone(userId, () => counter.forget(userId, held, era));
        due.touch(userId);
      }),
    );
  }

  async function missed(): Promise<void> {
    era = randomUUID();
    due.touchAll();
    metrics.gaps.inc();
  }

  const common = { connection, everyMs: FOLLOW_MS, clock, logger };
  const following = [
    follow({ ...common, stream: presenceKeys(prefix).occupancy, onRows: cameAndWent, onGap: reconcile }),
    follow({ ...common, stream: keys.written, onRows: written, onGap: async () => due.touchAll() }),
    follow({
      ...common,
      stream: channelKeys(prefix, GLOBAL_CHANNEL).log,
      onRows: changed,
      onGap: missed,
      wanted: () => due.size > 0 || clock.now() < partsUntil,
    }),
  ];

  /** Whose turn it is, of those who are connected at this moment. */
  async function work(): Promise<void> {
    for (let turns = due.take(TURNS); turns.length > 0 && !closing; turns = due.take(TURNS)) await workOff(turns);
  }

  async function workOff(turns: readonly Turn[]): Promise<void> {
    const left = [...turns];
    try {
      const connected = await presence.connectedAmong(turns.map(({ userId }) => userId));
      const worker = async (): Promise<void> => {
        for (let turn = left.pop(); turn; turn = left.pop()) {
          if (connected.has(turn.userId)) await attempt(turn);
          else due.drop(turn.userId);
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
    } catch (error) {
      for (const turn of left) due.later(turn, INTERVAL_MS);
      throw error;
    }
  }

  async function attempt(turn: Turn): Promise<void> {
    try {
      await alone(turn.userId, () => update(turn));
    } catch (error) {
      logger.debug({ err: error }, 'a portfolio could not be counted; trying again');
      due.later(turn, INTERVAL_MS);
    }
  }

  async function update(turn: Turn): Promise<void> {
    const { fresh, userId } = turn;
    // Handed over while it was due. The next owner finds them, and what was sent last.
    if (!isOurs(userId)) return;
    const portfolio = await store.read(userId);
    if (!portfolio) return due.drop(userId);
    // Whoever holds the lease, now or a moment ago: nobody counts for a user twice in a while.
    if ((await connection.set(keys.counted(userId), name, 'PX', COUNTED_MS, 'NX')) !== 'OK') {
      return due.later(turn, COUNTED_MS / 4);
    }
    const at = clock.now();
    partsUntil = at + PARTS_MS;
    const kpis = await counter.count(userId, await visible(userId, portfolio.properties), era);
    metrics.counted.inc();
    // Or while it was counted: by now the next owner may have sent newer figures.
    if (!isOurs(userId)) return;
    const text = JSON.stringify(kpis);
    if (fresh || (await connection.get(keys.sent(userId))) !== text) {
      await send(userId, kpis, at / 1_000);
      await connection.set(keys.sent(userId), text, 'EX', SENT_SECONDS);
    }
    due.done(userId, at);
  }

  /** What the user's newest token allows of a portfolio. */
  async function visible(userId: string, properties: readonly string[]): Promise<readonly string[]> {
    const readable = (await options.access.read(userId)) ?? 'all';
    if (readable === 'all') return properties;
    const allowed = new Set(readable);
    return properties.filter((property) => allowed.has(property));
  }

  async function send(userId: string, kpis: Kpis, at: number): Promise<void> {
    const event = { channel: userChannel(userId), type: 'kpi:update', key: 'kpi', timestamp: at, ...kpis };
    await door.accept([{ event }]);
    metrics.sent.inc();
  }

  const stopTimers = [
    clock.every(TICK_MS, () => {
      working ??= work()
        .catch((error: unknown) => logger.debug({ err: error }, 'portfolios cannot be counted'))
        .finally(() => {
          working = undefined;
        });
    }),
    clock.every(RECONCILE_MS, () => inBackground('users were not looked for', reconcile())),
  ];

  return {
    async close() {
      if (closing) return;
      closing = true;
      for (const stop of stopTimers) stop();
      const reachable = connection.status === 'ready';
      await shares.close(reachable);
      if (reachable) await Promise.all([working, ...following.map((each) => each.close())]);
    },
  };
}

const USER = userChannel('');
const userOf = (channel: string): string | undefined =>
  channel.startsWith(USER) ? channel.slice(USER.length) : undefined;
