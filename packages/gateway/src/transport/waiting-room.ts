/**
 * Where upgrades without a token wait while too many of those before them came to nothing. There are places, which come
 * back with time: whoever leaves without having said who he is, or is cut off, has used one up. A storm of clients uses
 * none, however many come at once, and never waits; a flood of strangers, from however many addresses, soon has none left
 * and gets in one by one. From where somebody has said who he is before, nobody waits.
 *
 * Few wait, and all others are sent away at once. Whoever is kept waiting opens more connections meanwhile, and what comes
 * in one burst is what the gateway's clients notice: they wait for all of it.
 */
import type { Clock, RateLimit } from '@belfry/shared/service';
import { takeTokens } from '../session/rate-limit.js';

/** What is needed of a response. */
export interface WaitingResponse {
  onAborted(handler: () => void): unknown;
  pause(): unknown;
  resume(): unknown;
}

export interface Outcomes {
  /** Its turn has come, and it has a place. */
  readonly enter: () => void;
  /** None came free in time. */
  readonly giveUp: () => void;
}

export interface WaitingRoomOptions {
  readonly clock: Pick<Clock, 'after'>;
  /** Milliseconds of a clock that nobody sets. */
  readonly steadyMs: () => number;
  /** Places that come back in a second; five times as many are there at first. */
  readonly placesPerSecond: number;
}

export interface WaitingRoom {
  /** How many wait. */
  readonly waiting: number;
  /** Whether a request need not wait: there are places, and nobody waits already; or its network is known for good clients. */
  isOpenTo(network: string): boolean;
  /**
   * Waits for a place. Networks take turns, so that one with many requests keeps nobody else waiting. False where so many
   * wait already that this one should come later: nothing is called then.
   */
  wait(response: WaitingResponse, network: string, outcomes: Outcomes): boolean;
  /** A stranger has left; or was cut off, which uses up ten places: a flood is noticed by its first hundred. */
  left(how: 'gone' | 'cut', network: string): void;
  /** A stranger has said who he is: what he waited for was not for nothing. */
  known(network: string): void;
  /** Nobody's turn comes any more. */
  close(): void;
}

interface Waiting extends Outcomes {
  readonly response: WaitingResponse;
  readonly network: string;
  readonly since: number;
}

const TICK_MS = 10;
/** Whoever waits longer takes the gateway for dead. */
const MAX_WAIT_MS = 2_000;
/** As many wait as get places in this time, but a handful in any case. */
const WAITING_MS = 250;
const FEWEST_WAITING = 5;
/** Networks of good clients that are remembered: as many as a gateway has clients, in a megabyte. */
const MOST_KNOWN = 10_000;
const SECONDS_OF_PLACES = 5;
const USED_UP = { gone: 1, cut: 10 } as const;

export function createWaitingRoom({ clock, steadyMs, placesPerSecond }: WaitingRoomOptions): WaitingRoom {
  const places: RateLimit = { burst: placesPerSecond * SECONDS_OF_PLACES, windowMs: SECONDS_OF_PLACES * 1_000 };
  const placeMs = places.windowMs / places.burst;
  const maxWaiting = Math.max(FEWEST_WAITING, Math.ceil(WAITING_MS / placeMs));
  /** The one that was heard of last comes last. */
  const knownNetworks = new Set<string>();
  /** In the order in which they came. */
  const everybody = new Set<Waiting>();
  /** Those of each network in their order; the network whose turn is next comes first. */
  const byNetwork = new Map<string, Set<Waiting>>();
  let fullAt = 0;
  let cancelTick: (() => void) | undefined;

  const isFree = (): boolean => takeTokens(fullAt, 1, places, steadyMs()) >= 0;

  function use(count: number): void {
    const now = steadyMs();
    // None are owed: those who wait should have their turn.
    fullAt = Math.min(now + places.windowMs, Math.max(now, fullAt) + count * placeMs);
  }

  function forget(entry: Waiting): void {
    everybody.delete(entry);
    const others = byNetwork.get(entry.network);
    others?.delete(entry);
    if (others?.size === 0) byNetwork.delete(entry.network);
  }

  function next(): Waiting | undefined {
    for (const [network, [first]] of byNetwork) {
      const others = byNetwork.get(network);
      byNetwork.delete(network);
      if (others) byNetwork.set(network, others);
      return first;
    }
    return undefined;
  }

  function release(entry: Waiting, outcome: () => void): void {
    forget(entry);
    entry.response.resume();
    outcome();
  }

  function tick(): void {
    cancelTick = undefined;
    // First of all: who waited for too long because the process did, need not be sent away where there is room.
    while (everybody.size > 0 && isFree()) {
      // Of those who waited many will come to nothing: that is why they had to.
      use(1);
      const entry = next();
      if (entry) release(entry, entry.enter);
    }
    const now = steadyMs();
    for (const entry of everybody) {
      if (now - entry.since < MAX_WAIT_MS) break;
      release(entry, entry.giveUp);
    }
    mind();
  }

  function mind(): void {
    if (everybody.size > 0) cancelTick ??= clock.after(TICK_MS, tick);
  }

  return {
    get waiting() {
      return everybody.size;
    },
    isOpenTo: (network) => (everybody.size === 0 && isFree()) || knownNetworks.has(network),
    wait(response, network, outcomes) {
      if (everybody.size >= maxWaiting) return false;
      const entry = { response, network, since: steadyMs(), ...outcomes };
      response.onAborted(() => forget(entry));
      // What else is sent meanwhile is not even received: a flood waits in its sender.
      response.pause();
      everybody.add(entry);
      const others = byNetwork.get(network);
      if (others) others.add(entry);
      else byNetwork.set(network, new Set([entry]));
      mind();
      return true;
    },
    left(how, network) {
      use(USED_UP[how]);
      knownNetworks.delete(network);
    },
    known(network) {
      fullAt -= placeMs;
      knownNetworks.delete(network);
      knownNetworks.add(network);
      if (knownNetworks.size <= MOST_KNOWN) return;
      for (const oldest of knownNetworks) {
        knownNetworks.delete(oldest);
        break;
      }
    },
    close() {
      cancelTick?.();
      everybody.clear();
      byNetwork.clear();
    },
  };
}
