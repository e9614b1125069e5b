/**
 * Follows the log of `global`, on which every property's events meet, and makes deliveries of what users asked for. It
 * goes on from a checkpoint that moves once an event's deliveries are queued; a delivery's id keeps a repeated one from
 * being queued twice. One publisher at a time does this: a lease spreads the work, the ids make it safe.
 */
import { createHash } from 'node:crypto';
import { type Connection, channelKeys } from '@belfry/shared/log';
import { mayRead, type PreferenceStore, type Preferences } from '@belfry/shared/preferences';
import { GLOBAL_CHANNEL, type ViolationUpdate } from '@belfry/shared/protocol';
import { type Clock, createBackoff, type Logger } from '@belfry/shared/service';
import type { Delivery } from './delivery.js';
import { type Alert, alertsFor } from './rules.js';
import { readUpdate } from './update.js';

export interface MatcherOptions {
  readonly connection: Connection;
  readonly prefix: string;
  /** Unique among publishers. */
  readonly name: string;
  readonly store: PreferenceStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Queues a delivery; one with an id that was queued before changes nothing. */
  readonly queue: (delivery: Delivery, delayMs: number) => Promise<void>;
  /** Puts an alert aside for the next digest. */
  readonly collect: (delivery: Delivery, digest: 'hourly' | 'daily') => Promise<void>;
  /** Events that were gone from the log before they were looked at. */
  readonly onMissed: () => void;
  /** Something that nothing can be made of was passed over: what is behind it is not to wait for it. */
  readonly onSkipped: (what: 'event' | 'preferences') => void;
}

export interface Matcher {
  close(): Promise<void>;
}

const LEASE_MS = 10_000;
const POLL_MS = 250;
const CLOSE_MS = 3_000;
const BATCH = 200;
const NOTHING_YET = '0-0';
/**
 * Only while the lease is held, which it renews: who was frozen for long must not set back where somebody else has come to.
 */
const ADVANCE = `#!lua
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[2], ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])`;
const RELEASE = "#!lua\nif redis.call('GET', KEYS[1]) == ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0";
/** How soon a revoked user hears nothing more. */
const WITHDRAW_MS = 2_000;

export function startMatcher(options: MatcherOptions): Matcher {
  const { clock, connection, logger, store } = options;
  const log = channelKeys(options.prefix, GLOBAL_CHANNEL).log;
  const checkpoint = `${options.prefix}:{alerts}:checkpoint`;
  const lease = `${options.prefix}:{alerts}:lease`;
  const backoff = createBackoff(200, 5_000);
  let closing = false;
  let held = false;
  let withdrawnAt = Number.NEGATIVE_INFINITY;

  /** Takes the lease, or renews it. */
  async function isOurs(): Promise<boolean> {
    if ((await connection.set(lease, options.name, 'PX', LEASE_MS, 'NX')) === 'OK') return true;
    if ((await connection.get(lease)) !== options.name) return false;
    await connection.pexpire(lease, LEASE_MS);
    return true;
  }

  /** Where to go on; a first start begins with what is to come. */
  async function position(): Promise<string> {
    const known = await connection.get(checkpoint);
    if (known !== null) return known;
    const [last] = await connection.xrevrange(log, '+', '-', 'COUNT', 1);
    const start = last?.[0] ?? NOTHING_YET;
    await connection.set(checkpoint, start);
    return start;
  }

  async function step(): Promise<'worked' | 'idle'> {
    held = await isOurs();
    if (!held) return 'idle';
    if (clock.now() - withdrawnAt >= WITHDRAW_MS) {
      await store.access.withdraw();
      withdrawnAt = clock.now();
    }
    const from = await position();
    const [first, ...others] = await connection.xrange(log, from, '+', 'COUNT', BATCH + 1);
    if (!first) return 'idle';
    // The log begins behind what was matched last: something was dropped unseen.
    const continuous = first[0] === from;
    if (!continuous && from !== NOTHING_YET) options.onMissed();
    const rows = continuous ? others : [first, ...others];
    if (rows.length === 0) return 'idle';
    let reached = from;
    for (const [id, fields] of rows) {
      // With each that made something, not with the whole batch: of what is matched again the queue has to know the ids yet.
      if ((await match(id, fields)) === 'alerts' && !(await advance(id))) return 'idle';
      reached = id;
    }
    await advance(reached);
    return 'worked';
  }

  /** False where somebody else has the lease. */
  const advance = async (id: string): Promise<boolean> =>
    (await connection.eval(ADVANCE, 2, lease, checkpoint, options.name, id, LEASE_MS)) === 1;

  async function match(id: string, fields: readonly string[]): Promise<'alerts' | 'nothing'> {
    const body = fields[0] === 'd' ? fields[1] : undefined;
    const event = body === undefined ? undefined : readUpdate(id, body);
    if (event === 'unsound') {
      options.onSkipped('event');
      return 'nothing';
    }
    if (body === undefined || !event || event.new_violations === 0) return 'nothing';
    const origin = originOf(id, body, fields);
    let found: 'alerts' | 'nothing' = 'nothing';
    const users = await store.concernedBy(event.property_id, (user) => {
      logger.warn({ user }, 'preferences cannot be read; their user gets no alerts');
      options.onSkipped('preferences');
    });
    for (const [user, { preferences, readable }] of users) {
      if (!mayRead(readable, event.property_id)) continue;
      for (const alert of alertsOf(user, preferences, event)) {
        const { digest, rule, way } = alert;
        const delivery: Delivery = { id: `${origin}_${user}_${way}`, user, rule, way, events: [event] };
        if (digest === 'none') await options.queue(delivery, alert.delayMs);
        else await options.collect(delivery, digest);
        found = 'alerts';
      }
    }
    return found;
  }

  function alertsOf(user: string, preferences: Preferences, event: ViolationUpdate): readonly Alert[] {
    try {
      return alertsFor(preferences, event, clock.now());
    } catch (error) {
      logger.warn({ err: error, user }, 'rules cannot be applied; their user gets no alert of this event');
      options.onSkipped('preferences');
      return [];
    }
  }

  async function run(): Promise<void> {
    while (!closing) {
      let waitMs = POLL_MS;
      try {
        if ((await step()) === 'worked') waitMs = 0;
        backoff.reset();
      } catch (error) {
        waitMs = backoff.next();
        logger.warn({ err: error }, 'alerts cannot be matched at the moment');
      }
      if (waitMs > 0 && !closing) await new Promise<void>((resolve) => clock.after(waitMs, resolve));
    }
    if (held) await connection.eval(RELEASE, 1, lease, options.name);
  }

  const ended = run().catch((error: unknown) => logger.debug({ err: error }, 'the lease of alerts runs out by itself'));
  return {
    async close() {
      closing = true;
      // While Redis is away the step in hand does not end; what it has not finished is matched again.
      await Promise.race([ended, new Promise<void>((resolve) => clock.after(CLOSE_MS, resolve))]);
    },
  };
}

/**
 * What an event is known by to those who are told of it. Where a failover lost its end, the log gets the same events again at
 * other positions: the id of the intake entry and the body stay. An entry may bring several events.
 */
function originOf(id: string, body: string, fields: readonly string[]): string {
  const intakeId = fields[2] === 'i' ? fields[3] : undefined;
  if (intakeId === undefined) return id;
  return `${intakeId}_${createHash('sha256').update(body).digest('base64url').slice(0, 12)}`;
}
