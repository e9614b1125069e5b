/**
 * All subscribers, by channel: what they ask is gathered into as few frames as possible, what arrives is handed to those
 * it concerns, and a channel is left when nobody here, nor in a tab that shares the connection, wants it any more.
 */
import {
  type ClientMessage,
  comparePositions,
  type EventMessage,
  type GatewayMessage,
  parsePosition,
  type Ref,
} from '@belfry/shared/protocol';
import type { ChannelState, Gap, Handlers } from './api.js';
import { type Clock, createTimer, type Disposer } from './clock.js';
import type { Report } from './errors.js';
import type { Positions } from './positions.js';
import { type Ask, createSubscription, type Subscription } from './subscription.js';

/** The gateway counts so many as one message; with the longest names and positions that there are they fill 10 of its 16 KB. */
const CHANNELS_PER_FRAME = 50;
/** Channels that are to be asked for again at the same time have a timer each: this gathers them. */
const GATHER_MS = 50;

export interface Subscriptions {
  add(channel: string, handlers: Handlers): Disposer;
  /** The channels that somebody here wants. */
  names(): string[];
  attach(): void;
  detach(): void;
  /** The next frame to send over the connection that there is; undefined when everything is asked. */
  next(): ClientMessage | undefined;
  receive(message: GatewayMessage | EventMessage): void;
  /** A snapshot that came over HTTP. */
  polled(state: ChannelState): void;
  /** There is another token: what was refused may be allowed now. */
  retryRefused(): void;
  /** Another tab wants these channels to stay joined, or needs them no more; all of its channels where none are named. */
  hold(tab: string, channels: readonly string[]): void;
  letGo(tab: string, channels?: readonly string[]): void;
  dispose(): void;
}

export function createSubscriptions(parts: {
  readonly clock: Clock;
  readonly random: () => number;
  readonly positions: Positions;
  readonly newRef: () => Ref;
  readonly poke: () => void;
  readonly report: Report;
  readonly gap: (gap: Gap) => void;
}): Subscriptions {
  const { clock, positions, poke } = parts;
  const channels = new Map<string, Set<Subscription>>();
  /** Asked for over this connection. */
  const joined = new Set<string>();
  const held = new Map<string, Set<string>>();
  /** The same for all channels, so that those that failed together are asked for together. */
  let jitter = 0;
  const soon = createTimer(clock);
  let telling: string | undefined;

  const of = (channel: unknown): Iterable<Subscription> => [...(channels.get(channel as string) ?? [])];
  const all = function* (): Iterable<Subscription> {
    for (const subscribers of channels.values()) yield* subscribers;
  };

  /** The position of a channel is that of its slowest subscriber. */
  function save(channel: string): void {
    let lowest: string | undefined;
    for (const { handled } of of(channel)) {
      const position = parsePosition(handled);
      const known = parsePosition(lowest);
      if (position && (!known || comparePositions(position, known) < 0)) lowest = handled;
    }
    if (lowest) positions.save(channel, lowest);
  }

  function leaving(): ClientMessage | undefined {
    const left = [...joined].filter((channel) => !channels.has(channel) && !held.get(channel)?.size);
    const names = left.slice(0, CHANNELS_PER_FRAME);
    for (const name of names) joined.delete(name);
    return names[0] ? { type: 'UNSUBSCRIBE', channels: names, ref: parts.newRef() } : undefined;
  }

  function joining(): ClientMessage | undefined {
    const ref = parts.newRef();
    const asked = new Map<string, Ask>();
    const after: Record<string, string> = {};
    let rewind: number | undefined;
    for (const subscription of all()) {
      const { channel } = subscription;
      const ask = subscription.ask();
      const other = asked.get(channel);
      // A frame has one `rewind`, and says one thing of a channel; what does not fit goes into the next.
      if (!ask || (asked.size > 0 && ask.rewind !== rewind) || (other && other.after !== ask.after)) continue;
      if (!other && asked.size >= CHANNELS_PER_FRAME) break;
      rewind = ask.rewind;
      if (ask.after) after[channel] = ask.after;
      asked.set(channel, ask);
      joined.add(channel);
      subscription.joinAsked(ref);
    }
    // JSON leaves out what is undefined.
    return asked.size > 0 ? { type: 'SUBSCRIBE', channels: [...asked.keys()], after, rewind, ref } : undefined;
  }

  /** Behind the SUBSCRIBE that joins: a snapshot older than that would be of no use. */
  function asking(): ClientMessage | undefined {
    const ref = parts.newRef();
    const names = new Set<string>();
    for (const subscription of all()) {
      const { channel } = subscription;
      if (!subscription.needsState) continue;
      if (names.size >= CHANNELS_PER_FRAME) break;
      names.add(channel);
      subscription.stateAsked(ref);
    }
    return names.size > 0 ? { type: 'GET_STATE', channels: [...names], ref } : undefined;
  }

  return {
    add: (channel, handlers) => {
      const subscribers = channels.get(channel) ?? new Set();
      channels.set(channel, subscribers);
      const subscription = createSubscription({
        ...parts,
        random: () => jitter,
        pokeSoon: () => {
          if (!soon.running) soon.start(GATHER_MS, poke);
        },
        channel,
        handlers,
        stored: positions.load(channel),
        // Not while the others are being told something of the channel: it may be that they do not stand there any more.
        beside: channel === telling ? undefined : [...subscribers].find(({ standing }) => standing)?.standing,
        moved: () => save(channel),
      });
      subscribers.add(subscription);
      poke();
      return () => {
        subscription.dispose();
        if (subscribers.delete(subscription) && subscribers.size === 0) {
          channels.delete(channel);
          poke();
        }
      };
    },
    names: () => [...channels.keys()],
    attach: () => {
      // All of them are to be asked for: since `detach`, or because they never were.
      jitter = parts.random();
    },
    detach: () => {
      joined.clear();
      held.clear();
      for (const subscription of all()) subscription.renew();
    },
    next: () => leaving() ?? joining() ?? asking(),
    receive: (message) => {
      const { id, channel } = message as EventMessage;
      if (message.type === 'ERROR' && message.ref === undefined) return;
      const position = parsePosition(id);
      telling = channel;
      for (const subscription of channel ? of(channel) : all()) subscription.receive(message, position);
      telling = undefined;
    },
    polled: (state) => {
      for (const subscription of of(state.channel)) subscription.polled(state);
    },
    retryRefused: () => {
      for (const subscription of all()) subscription.renew(true);
    },
    hold: (tab, names) => {
      for (const name of names) {
        joined.add(name);
        held.set(name, (held.get(name) ?? new Set()).add(tab));
      }
    },
    letGo: (tab, names) => {
      for (const name of names ?? held.keys()) held.get(name)?.delete(tab);
      poke();
    },
    dispose: () => {
      soon.stop();
      for (const subscription of all()) subscription.dispose();
      channels.clear();
    },
  };
}
