/**
 * The hub: which channels live on this gateway. A channel comes with its first subscriber and stays a few seconds after
 * its last one has gone, so that a client that comes right back finds its tail and Redis is spared the churn.
 */
import type { ChannelReading, Link, LogKeeper, LogReader, OpenLink } from '@belfry/shared/log';
import { comparePositions, isBoard, type Position } from '@belfry/shared/protocol';
import { type Clock, createBackoff, type Logger } from '@belfry/shared/service';
import { Board } from './board.js';
import { type BoardSettings, DEFAULT_BOARD_SETTINGS } from './board-settings.js';
import { Channel } from './channel.js';
import type { ChannelObserver, ChannelOptions } from './channel-options.js';
import { type CoalescingOptions, createCoalescing } from './coalescing.js';
import { positionInFrame } from './event-position.js';
import type { HubChannel } from './hub-channel.js';
import type { PublishToFollowers } from './subscriber.js';
import { createTailBudget } from './tail.js';

export interface HubOptions {
  readonly log: LogReader & LogKeeper;
  readonly openLink: OpenLink;
  readonly publish: PublishToFollowers;
  readonly clock: Clock;
  readonly random: () => number;
  readonly logger: Logger;
  readonly observer: ChannelObserver;
  readonly tailEvents: number;
  readonly tailBytes: number;
  /** Milliseconds that a channel without subscribers stays. */
  readonly lingerMs: number;
  /** Milliseconds in which each quiet channel is compared with its log once. */
  readonly spotCheckMs: number;
  /** Default: two seconds for every board. */
  readonly boards?: BoardSettings;
  readonly coalescing?: CoalescingOptions;
}

export type ChannelSnapshot = Pick<ChannelReading, 'position' | 'snapshot'>;

export interface Hub {
  /** A channel that does not live here yet: subscribes it and has it read; the caller joins it in the same turn. */
  open(name: string): HubChannel;
  /** The channel's snapshot with the position it is true for: one reading however many ask at once. */
  state(name: string): Promise<ChannelSnapshot>;
  /** The same for somebody who follows the channel: what comes next has to fit to it. */
  stateForFollower(name: string): Promise<ChannelSnapshot>;
  readonly link: Link;
  readonly channels: ReadonlyMap<string, HubChannel>;
  readonly tailBytes: number;
  close(): void;
}

/** In which time every channel is looked at once, a part of them at a time: all at once would make events wait. */
const SWEEP_MS = 1_000;
const PARTS = 10;
/** What an event that is on its way gets before its channel is repaired. */
const SETTLE_MS = 1_000;
/** Silent channels' logs last for two hours at least; asking for more time while they are walked through costs next to nothing. */
const KEEP_MS = 3_000_000;
/** Live events held per channel during one reading: what a hot channel gets while Redis is slow for some seconds. */
const MAX_HELD = 1_000;

export function createHub(options: HubOptions): Hub {
  const { clock, log, logger } = options;
  const channels = new Map<string, HubChannel>();
  /** Channels without subscribers, and since when. */
  const idle = new Map<HubChannel, number>();
  const states = new Map<string, Promise<ChannelReading>>();
  const budget = createTailBudget(options.tailBytes);
  let closed = false;
  const channelOptions: ChannelOptions = {
    log,
    publish: options.publish,
    clock,
    createBackoff: () => createBackoff(100, 2_000, options.random),
    budget,
    observer: options.observer,
    tailEvents: options.tailEvents,
    maxHeld: MAX_HELD,
  };
  const boardOptions = { ...channelOptions, settings: options.boards ?? DEFAULT_BOARD_SETTINGS };

  function deliver(channel: HubChannel, frame: Buffer): void {
    const position = positionInFrame(frame);
    if (position) channel.receive(position, frame);
    else options.observer.ignored('foreign');
  }
  const coalescing = createCoalescing(clock, deliver, options.coalescing);

  const link = options.openLink({
    onFrame: (name, frame) => {
      const channel = channels.get(name);
      if (channel) coalescing.receive(channel, frame);
    },
    onSubscribed: (names) => {
      for (const name of names) {
        const channel = channels.get(name);
        if (channel?.state === 'opening') channel.open();
      }
    },
    onSynced: (names) => {
      checkAll(names).catch((error: unknown) => logger.error({ err: error }, 'checking channels failed'));
    },
    onDown: () => undefined,
  });

  /** After a sync, every channel is compared with its log at once: what was published meanwhile is found here. */
  async function checkAll(names: readonly string[]): Promise<void> {
    const present = names.filter((name) => channels.has(name));
    for (const name of present) if (channels.get(name)?.state === 'opening') channels.get(name)?.check(undefined);
    const backoff = createBackoff(200, 2_000, options.random);
    let ends: readonly (Position | undefined)[] | undefined;
    while (!ends && !closed) {
      try {
        ends = await log.positions(present);
      } catch (error) {
        logger.debug({ err: error }, 'positions cannot be read yet');
        await new Promise<void>((resolve) => clock.after(backoff.next(), resolve));
      }
    }
    ends?.forEach((end, index) => {
      const channel = channels.get(present[index] as string);
      if (channel && channel.state !== 'opening') channel.check(end);
    });
  }

  /** Quiet channels are compared now and then: a lost last event would otherwise show only with the next one. */
  let spotCheckQueue: string[] = [];
  /** How many of them are still to be checked in this sweep. */
  let spotChecksDue = 0;
  let keptAt = Number.NEGATIVE_INFINITY;
  /** On this walk their logs are also kept from running out: without that a new epoch would be told to all for nothing. */
  let keeping = false;
  /** @param partsLeft of this sweep, with the present one */
  async function spotCheck(partsLeft: number): Promise<void> {
    if (!link.whole) return;
    if (partsLeft === PARTS) spotChecksDue = Math.ceil((channels.size * SWEEP_MS) / options.spotCheckMs);
    const share = Math.ceil(spotChecksDue / partsLeft);
    if (share === 0) return;
    spotChecksDue -= share;
    if (spotCheckQueue.length === 0) {
      spotCheckQueue = [...channels.keys()];
      keeping = clock.now() - keptAt >= KEEP_MS;
      if (keeping) keptAt = clock.now();
    }
    const names = spotCheckQueue.splice(0, share).filter((name) => channels.has(name));
    if (names.length === 0) return;
    const keep = keeping;
    const before = new Map(names.map((name) => [name, channels.get(name)?.position]));
    const ends = await log.positions(names);
    names.forEach((name, index) => {
      const channel = channels.get(name);
      const known = before.get(name);
      // A channel that has moved since is not quiet; its next event checks it.
      if (!channel || !known || comparePositions(channel.position, known) !== 0) return;
      const end = ends[index];
      if (!end || comparePositions(end, known) !== 0) settleThenCheck(channel, known, end);
    });
    if (keep) await log.keep(names);
  }

  /** An event may be on its way: it gets some time before the channel is repaired. */
  function settleThenCheck(channel: HubChannel, known: Position, end: Position | undefined): void {
    clock.after(SETTLE_MS, () => {
      if (channels.get(channel.name) === channel && comparePositions(channel.position, known) === 0) channel.check(end);
    });
  }

  let partsLeft = 0;
  /** What of the channels this sweep has not come to yet. It minds channels that come and go meanwhile. */
  let unswept = channels.values();
  function sweepPart(): void {
    if (partsLeft === 0) {
      partsLeft = PARTS;
      unswept = channels.values();
    }
    const now = clock.now();
    for (let n = partsLeft === 1 ? channels.size : Math.ceil(channels.size / PARTS); n > 0; n -= 1) {
      const { done, value: channel } = unswept.next();
      if (done) break;
      if (channel.idle) mindIdle(channel, now);
      else if (idle.size > 0) idle.delete(channel);
    }
    spotCheck(partsLeft).catch((error: unknown) => logger.debug({ err: error }, 'spot check not made'));
    partsLeft -= 1;
  }

  function mindIdle(channel: HubChannel, now: number): void {
    const since = idle.get(channel);
    if (since === undefined) idle.set(channel, now);
    else if (now - since >= options.lingerMs) remove(channel);
  }

  function remove(channel: HubChannel): void {
    idle.delete(channel);
    channels.delete(channel.name);
    link.unsubscribe(channel.name);
    channel.close();
  }

  function open(name: string): HubChannel {
    const channel = isBoard(name) ? new Board(name, boardOptions) : new Channel(name, channelOptions);
    channels.set(name, channel);
    link.follow(name);
    return channel;
  }

  function readState(name: string): Promise<ChannelReading> {
    const running = states.get(name);
    if (running) return running;
    const reading = log.read(name, { from: undefined, last: 0, snapshot: 'always' }).finally(() => states.delete(name));
    states.set(name, reading);
    return reading;
  }

  const stopSweep = clock.every(SWEEP_MS / PARTS, sweepPart);

  return {
    open: (name) => channels.get(name) ?? open(name),
    state: readState,
    stateForFollower(name) {
      const channel = channels.get(name);
      const state = channel instanceof Board ? channel.stateForFollower() : undefined;
      return state ? Promise.resolve(state) : readState(name);
    },
    link,
    channels,
    get tailBytes() {
      return budget.bytes;
    },
    close() {
      closed = true;
      stopSweep();
      link.close();
      coalescing.close();
      for (const channel of channels.values()) channel.close();
      channels.clear();
    },
  };
}
