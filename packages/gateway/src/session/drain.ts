/**
 * Drain: a gateway that goes away lets its clients go one after the other, no faster than the others can take them in,
 * each told before when to come back. Until its turn comes a client misses nothing.
 */
import { CLOSE_CODES } from '@belfry/shared/protocol';
import type { Clock } from '@belfry/shared/service';
import type { Session } from './session.js';

export interface DrainOptions {
  readonly clock: Clock;
  readonly random: () => number;
  /** Closes per second, at least; more when the window would not suffice. */
  readonly perSecond: number;
  /** Milliseconds in which the last client has to be gone. */
  readonly windowMs: number;
  /** What clients are told. */
  readonly reason: string;
  /** Who is to go. */
  readonly remaining: () => Iterable<Session>;
}

/** What the last clients get to read their last frames. */
const FLUSH_MS = 2_000;
const FLUSHED_POLL_MS = 20;
const SLICE_MS = 100;
/** Neighbours in a slice come back at different times. */
const SPREAD_MS = 1_000;

/**
 * Resolves when every client has been told and closed, and is gone or has had its time.
 * @param count how many are left
 */
export async function drainAndFlush(options: DrainOptions, count: () => number): Promise<void> {
  const { clock } = options;
  await drain(options);
  const deadline = clock.now() + FLUSH_MS;
  while (count() > 0 && clock.now() < deadline) {
    await new Promise<void>((resolve) => clock.after(FLUSHED_POLL_MS, resolve));
  }
}

/** Resolves when every client has been told and closed. */
export async function drain(options: DrainOptions): Promise<void> {
  const { clock, random, remaining } = options;
  const sessions = shuffled([...remaining()], random);
  const slices = Math.max(1, Math.floor((options.windowMs - SLICE_MS) / SLICE_MS));
  const perSlice = Math.max(Math.ceil((options.perSecond * SLICE_MS) / 1_000), Math.ceil(sessions.length / slices));
  while (sessions.length > 0) {
    const slice = sessions.splice(0, perSlice);
    for (const session of slice) session.goingAway(options.reason, random() * SPREAD_MS);
    await new Promise<void>((resolve) => clock.after(SLICE_MS, resolve));
    for (const session of slice) session.end(CLOSE_CODES.goingAway);
  }
}

function shuffled<T>(items: T[], random: () => number): T[] {
  for (let n = items.length - 1; n > 0; n -= 1) {
    const other = Math.floor(random() * (n + 1));
    [items[n], items[other]] = [items[other] as T, items[n] as T];
  }
  return items;
}
