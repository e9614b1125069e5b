/**
 * Coalescing under load: once much was delivered in one turn of the event loop, what Redis has is read a little longer before
 * any of it is passed on, so that a socket gets several events in one piece. A system call costs many times what one
 * event more in it does.
 *
 * Without this the kernel decides how much is passed on at once: as much as it holds for us, which is 64 KB where it has not
 * learned that we take more. With a few events for each socket a gateway is too slow to ever teach it so.
 *
 * What has waited is passed on receiver by receiver: where a channel has several events, its followers are found in the
 * processor's cache from the second one on. Between channels there is no order to keep.
 */
import type { Clock } from '@belfry/shared/service';
import { Gathering } from './gathering.js';

/** Where events go to. */
export interface Receiver {
  readonly followers: number;
}

export interface CoalescingOptions {
  /** Deliveries in one turn from which on the next ones wait. Default: what takes a core some two milliseconds. */
  readonly largeTurn?: number;
  /**
   * How many sockets there are. With fewer deliveries in a turn than that, hardly any of them would get two events at once,
   * and none waits. Default: not asked.
   */
  readonly sockets?: () => number;
  /** Calls back when what was delivered in this turn has been handed to the sockets. Default setImmediate. */
  readonly turnOver?: (run: () => void) => unknown;
  /** Milliseconds that only grow. Default performance.now. */
  readonly steadyMs?: () => number;
  /**
   * Events that waited are about to be passed on: how many, and for how many milliseconds the first of them waited, which is
   * longer than any other did. Once for all that waited together. Default: nobody is told.
   */
  readonly onWaited?: (ms: number, events: number) => void;
}

export interface Coalescing<R extends Receiver> {
  /** Delivers at once or a little later; what a receiver gets is always in the order in which it came. */
  receive(receiver: R, frame: Buffer): void;
  close(): void;
}

const LARGE_TURN = 2_000;
/** Events that follow each other more closely belong to one turn, until it is a large one. */
const PAUSE_MS = 1;
/** Events wait for so many milliseconds, and as long again where many others came within them. */
const STEP_MS = 2;
/**
 * Many: so many times what can be passed on in the same time. They were held up somewhere, and more of them are. At the pace at
 * which they are published waiting for them costs more than it saves.
 */
const HELD_UP = 2;
/** And no longer than that once, or a third of what the last turn took, and than this at most. */
const WAIT_SHARE = 1 / 3;
const MAX_WAIT_MS = 20;
/** Deliveries that need not wait for more: half a second of work. */
const ENOUGH = 500_000;
/** Of the memory that events wait in: some ten thousand of them, which is more than wait where each is for a hundred. */
const KEPT_BYTES = 4 * 1_048_576;

export function createCoalescing<R extends Receiver>(
  clock: Pick<Clock, 'after'>,
  deliver: (receiver: R, frame: Buffer) => void,
  options: CoalescingOptions = {},
): Coalescing<R> {
  const { largeTurn = LARGE_TURN, sockets = () => 0, onWaited } = options;
  const { turnOver = setImmediate, steadyMs = () => performance.now() } = options;
  /** What waits, and how many deliveries it will be. */
  let gathering = new Gathering<R>();
  let waiting = 0;
  /** When the first of them came. */
  let waitingSince = 0;
  let stopWaiting: (() => void) | undefined;
  let waitUntil = 0;
  /** Deliveries in a millisecond that the last turn made, and when the present step began with how many waiting. */
  let pace = 0;
  let stepBegunAt = 0;
  let waitingThen = 0;
  let enough = false;
  /** Of this turn, and of those right before it where it is not large yet. */
  let delivered = 0;
  let begunAt = 0;
  let deliveredAt = 0;
  let large = false;
  let closed = false;

  function passOn(receiver: R, frame: Buffer): void {
    if (!large) lookWhetherLarge(receiver);
    else delivered += Math.max(1, receiver.followers);
    deliver(receiver, frame);
  }

  /** To be called back at the end of every turn would cost as much as the rest of this does for a single event. */
  function lookWhetherLarge(receiver: R): void {
    const now = steadyMs();
    if (now - deliveredAt > PAUSE_MS) {
      delivered = 0;
      begunAt = now;
    }
    deliveredAt = now;
    delivered += Math.max(1, receiver.followers);
    if (delivered < largeTurn || delivered < sockets()) return;
    large = true;
    turnOver(endTurn);
  }

  function endTurn(): void {
    if (!stopWaiting && !closed) {
      const now = steadyMs();
      waitUntil = now + Math.min(MAX_WAIT_MS, (now - begunAt) * WAIT_SHARE);
      pace = delivered / Math.max(1, now - begunAt);
      waitOneStep(now);
    }
    delivered = 0;
    large = false;
  }

  function waitOneStep(now: number): void {
    stepBegunAt = now;
    waitingThen = waiting;
    stopWaiting = clock.after(STEP_MS, () => {
      const later = steadyMs();
      const came = (waiting - waitingThen) / (later - stepBegunAt);
      if (came > HELD_UP * pace && later + STEP_MS <= waitUntil) waitOneStep(later);
      else passAllOn();
    });
  }

  function wait(receiver: R, frame: Buffer): void {
    if (gathering.size === 0) waitingSince = steadyMs();
    gathering.add(receiver, frame);
    waiting += receiver.followers;
    if (waiting < ENOUGH || enough) return;
    enough = true;
    // Not at once: what else was read in this turn goes with it.
    turnOver(() => enough && passAllOn());
  }

  function passAllOn(): void {
    stopWaiting?.();
    stopWaiting = undefined;
    enough = false;
    waiting = 0;
    if (gathering.size === 0) return;
    onWaited?.(steadyMs() - waitingSince, gathering.size);
    try {
      gathering.forEach(passOn);
    } finally {
      // Whatever happened: what was left in it would be passed on together with what waits next.
      // Memory taken anew for each time would have V8 collect garbage from end to end, several times a second.
      if (gathering.bytes <= KEPT_BYTES) gathering.clear();
      else gathering = new Gathering();
    }
  }

  return {
    receive(receiver, frame) {
      if (closed) return;
      if (stopWaiting) wait(receiver, frame);
      else passOn(receiver, frame);
    },
    close() {
      closed = true;
      stopWaiting?.();
      gathering = new Gathering();
    },
  };
}
