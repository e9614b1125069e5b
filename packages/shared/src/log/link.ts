/**
 * The link: a gateway's own subscriptions to Redis, which know when they are whole and when they may have missed
 * something. One line per master: one on a standalone Redis or behind Sentinel, several on a Cluster.
 */
/// <reference path="./cluster-key-slot.d.ts" />
import calculateSlot from 'cluster-key-slot';
import { type Cluster, Redis, type RedisOptions } from 'ioredis';
import { type Clock, createBackoff, type Logger } from '../service/index.js';
import { parseRedisUrl, type RedisAddress, SENTINEL_MS } from './connection.js';
import { channelKeys, channelOfTopic } from './keys.js';
import { createLine, type Line, type SubscriberConnection } from './line.js';
import { type ClusterMaster, type ClusterTopology, followClusterTopology } from './topology.js';

export interface LinkEvents {
  /** A frame published on a channel. A view on the connection's buffer: copy what is to be kept. */
  readonly onFrame: (channel: string, frame: Buffer) => void;
  /** Redis has confirmed these: for the first time, or on a new connection, which it may do again and again. */
  readonly onSubscribed?: (channels: readonly string[]) => void;
  /** These channels are subscribed anew on a whole line; what was published before may have been missed. */
  readonly onSynced: (channels: readonly string[]) => void;
  readonly onDown: (reason: string) => void;
}

export interface Link {
  /** Resolves once Redis has confirmed the subscription. While Redis is away it waits; `unsubscribe` gives it up. */
  subscribe(channel: string): Promise<void>;
  /**
   * The same for who hears of it from `onSubscribed`: ten thousand promises are not for nothing. A channel that is followed
   * is not subscribed as well.
   */
  follow(channel: string): void;
  unsubscribe(channel: string): void;
  /** True when every line is connected and has every channel subscribed. */
  readonly whole: boolean;
  /** Since when `whole` has had its present value, in milliseconds since 1970. */
  readonly since: number;
  close(): void;
}

/** What a hub needs to make a link: real ones are made by `createRedisLink`, simulated ones by a simulation. */
export type OpenLink = (events: LinkEvents) => Link;

export interface RedisLinkOptions {
  readonly url: string;
  readonly prefix: string;
  /** This process's name: unique, it names the probe's topic. */
  readonly node: string;
  /** For publishing probes and reading the topology: a `Connection` to the same `url`. */
  readonly commands: { spublish(topic: string, message: string): Promise<unknown> };
  /** Makes the connections that subscribe; by default they go to `url`. */
  readonly subscriber?: () => SubscriberConnection;
  /** 0 to 1, spreads the attempts. Default Math.random. */
  readonly random?: () => number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Milliseconds between probes. Default 3,000; a dead line is found within three times that. */
  readonly probeIntervalMs?: number;
}

/** A subscription that Redis has not confirmed yet. */
interface Confirmation {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
  /** Told when nobody wants it any more; `promise` stays open then. */
  givenUp: (() => void) | undefined;
}

const SINGLE = 'redis';
/** No slot has moved for so long: who moves thousands of them takes less for each. */
const MOVED_MS = 1_000;
const MAX_MISSED_PROBES = 1;

export function createRedisLink(options: RedisLinkOptions, events: LinkEvents): Link {
  const { clock, logger, prefix, commands } = options;
  const address = parseRedisUrl(options.url);
  const intervalMs = options.probeIntervalMs ?? 3_000;
  const lines = new Map<string, Line>();
  /** Lines whose loss was logged. */
  const down = new Set<string>();
  /** Every channel wanted, and the line that carries it; undefined while no master is known for it. */
  const carriedBy = new Map<string, string | undefined>();
  const waiting = new Map<string, Confirmation>();
  let topology: ClusterTopology | undefined;
  /** Lines whose master has let go of subscriptions, as their slots moved. */
  const torn = new Set<string>();
  let cancelRenewal: (() => void) | undefined;
  let wasWhole = false;
  let since = clock.now();

  const topicOf = (channel: string): string => channelKeys(prefix, channel).topic;

  function noteWholeness(): void {
    const whole = isWhole();
    if (whole === wasWhole) return;
    wasWhole = whole;
    since = clock.now();
  }

  function isWhole(): boolean {
    if (lines.size === 0) return false;
    for (const line of lines.values()) if (!line.whole) return false;
    return true;
  }

  function openLine(name: string, open: () => SubscriberConnection, probeTopic: () => string | undefined): Line {
    return createLine({
      name,
      open,
      topicOf,
      commandsFor: address.kind === 'cluster' ? bySlot : (topics) => [topics],
      probe: {
        topic: probeTopic,
        send: (topic) => commands.spublish(topic, ''),
        intervalMs,
        maxMissed: MAX_MISSED_PROBES,
      },
      backoff: createBackoff(100, 2_000, options.random),
      clock,
      logger,
      onFrame: (topic, frame) => {
        const channel = channelOfTopic(prefix, topic);
        if (channel !== undefined) events.onFrame(channel, frame);
      },
      onSubscribed: (channels) => {
        if (waiting.size > 0) for (const channel of channels) confirm(channel);
        events.onSubscribed?.(channels);
      },
      onWhole: (channels) => {
        noteWholeness();
        down.delete(name);
        logger.info({ line: name, channels: channels.length }, 'link synced');
        events.onSynced(channels);
      },
      onDown: (reason) => {
        noteWholeness();
        // Tried again every two seconds at least: once is enough.
        if (down.has(name)) logger.debug({ line: name, reason }, 'link still down');
        else logger.warn({ line: name, reason }, 'link down');
        down.add(name);
        events.onDown(reason);
        topology?.refresh();
      },
      onMoved: () => moved(name),
    });
  }

  /**
   * What went to another master shows in the topology. What has come back before that was read does not: its master has let
   * go of the subscriptions, and says neither of which nor once more.
   */
  function moved(name: string): void {
    topology?.refresh();
    torn.add(name);
    cancelRenewal?.();
    cancelRenewal = clock.after(MOVED_MS, () => {
      for (const each of torn) renew(each);
      torn.clear();
    });
  }

  function renew(name: string): void {
    const channels = [...carriedBy].flatMap(([channel, carrier]) => (carrier === name ? channel : []));
    checkOnceSubscribed(name, channels);
    lines.get(name)?.renew();
  }

  /** Cluster: one line per master; every channel on the line of its slot's master. */
  function arrange(masterOf: (slot: number) => string | undefined, masters: ReadonlyMap<string, ClusterMaster>): void {
    for (const [name, line] of lines) {
      if (masters.has(name)) continue;
      line.close();
      lines.delete(name);
      down.delete(name);
      for (const [channel, carrier] of carriedBy) if (carrier === name) carriedBy.set(channel, undefined);
    }
    for (const [name, master] of masters) {
      if (lines.has(name)) continue;
      const served = (slot: number): boolean => topology?.masterOf(slot) === name;
      const probeTopic = (): string | undefined => topicInSlots(`${prefix}:{probe:${options.node}`, served);
      lines.set(
        name,
        openLine(
          name,
          () => forgetful(new Redis({ ...subscriberOptions(address, options.node), ...master })),
          probeTopic,
        ),
      );
    }
    const moves = new Map<string, string[]>();
    for (const [channel, carrier] of carriedBy) {
      const owner = masterOf(calculateSlot(topicOf(channel)));
      if (owner === carrier) continue;
      if (carrier !== undefined) lines.get(carrier)?.remove([channel]);
      carriedBy.set(channel, owner);
      if (owner !== undefined) moves.set(owner, [...(moves.get(owner) ?? []), channel]);
    }
    for (const [name, channels] of moves) move(name, channels);
    noteWholeness();
  }

  /** Between leaving the old master and being subscribed on the new one messages pass unheard: check the log after. */
  function move(name: string, channels: readonly string[]): void {
    checkOnceSubscribed(name, channels);
    lines.get(name)?.add(channels);
  }

  function checkOnceSubscribed(name: string, channels: readonly string[]): void {
    Promise.all(channels.map(arrival)).then(() =>
      events.onSynced(channels.filter((channel) => carriedBy.get(channel) === name)),
    );
  }

  /** Resolves when it is confirmed, or wanted no more: those that move with it do not wait for it then. */
  function arrival(channel: string): Promise<void> {
    return new Promise((done) => {
      const awaited = confirmation(channel);
      awaited.promise.then(done);
      const { givenUp } = awaited;
      awaited.givenUp = () => {
        givenUp?.();
        done();
      };
    });
  }

  function confirmation(channel: string): Confirmation {
    const known = waiting.get(channel);
    if (known) return known;
    let resolve = (): void => undefined;
    const promise = new Promise<void>((done) => {
      resolve = done;
    });
    const awaited: Confirmation = { promise, resolve, givenUp: undefined };
    waiting.set(channel, awaited);
    return awaited;
  }

  function confirm(channel: string): void {
    waiting.get(channel)?.resolve();
    waiting.delete(channel);
  }

  function follow(channel: string): void {
    if (carriedBy.has(channel)) return;
    const owner = topology ? topology.masterOf(calculateSlot(topicOf(channel))) : SINGLE;
    carriedBy.set(channel, owner);
    if (owner !== undefined) lines.get(owner)?.add([channel]);
  }

  if (address.kind === 'cluster') {
    topology = followClusterTopology({ commands: commands as unknown as Cluster, clock, logger, onChange: arrange });
  } else {
    const open = options.subscriber ?? (() => forgetful(new Redis(subscriberOptions(address, options.node))));
    lines.set(
      SINGLE,
      openLine(SINGLE, open, () => `${prefix}:{probe:${options.node}}`),
    );
  }

  return {
    subscribe(channel) {
      if (carriedBy.has(channel)) return waiting.get(channel)?.promise ?? Promise.resolve();
      const { promise } = confirmation(channel);
      follow(channel);
      return promise;
    },
    follow,
    unsubscribe(channel) {
      const carrier = carriedBy.get(channel);
      if (!carriedBy.delete(channel)) return;
      waiting.get(channel)?.givenUp?.();
      waiting.delete(channel);
      if (carrier !== undefined) lines.get(carrier)?.remove([channel]);
    },
    get whole() {
      return isWhole();
    },
    get since() {
      return since;
    },
    close() {
      topology?.close();
      cancelRenewal?.();
      for (const line of lines.values()) line.close();
    },
  };
}

/** A connection that lives for one attempt: it neither reconnects, nor resubscribes, nor repeats commands. */
function subscriberOptions(address: RedisAddress, node: string): RedisOptions {
  const [first] = address.nodes;
  return {
    ...address.options,
    ...(address.kind === 'sentinel'
      ? {
          sentinels: [...address.nodes],
          name: address.master ?? 'mymaster',
          sentinelCommandTimeout: SENTINEL_MS,
          sentinelRetryStrategy: () => null,
        }
      : first),
    connectionName: `${node}:link`,
    lazyConnect: true,
    retryStrategy: () => null,
    autoResubscribe: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    enableOfflineQueue: true,
    connectTimeout: 5_000,
    commandTimeout: 5_000,
    keepAlive: 10_000,
  };
}

/**
 * ioredis keeps a list of what is subscribed, to subscribe it again by itself. Ours does not, so nobody ever reads the
 * list; and where every client has a channel of its own, it is a hundred bytes for each.
 */
function forgetful(redis: Redis): Redis {
  redis.once('ready', () => {
    const { condition } = redis as unknown as { condition?: { protocol: number; subscriber: object | false } };
    if (condition?.protocol === 3) condition.subscriber = NO_LIST;
  });
  return redis;
}

const NO_LIST = { add: () => undefined, del: () => undefined, channels: () => [], isEmpty: () => true };

function bySlot(topics: readonly string[]): string[][] {
  const groups = new Map<number, string[]>();
  for (const topic of topics) {
    const slot = calculateSlot(topic);
    const group = groups.get(slot);
    if (group) group.push(topic);
    else groups.set(slot, [topic]);
  }
  return [...groups.values()];
}

/** A topic `<start>:<n>}` whose slot is accepted: a master of a Cluster is hit after a few tries, or serves next to none. */
function topicInSlots(start: string, accepted: (slot: number) => boolean): string | undefined {
  for (let n = 0; n < 10_000; n += 1) {
    const topic = `${start}:${n}}`;
    if (accepted(calculateSlot(topic))) return topic;
  }
  return undefined;
}
