/**
 * The load: reports changes of every property, numbered one after the other, repeats each until it is accepted, and
 * keeps what was. A property's next change is reported only when the last one is accepted, so that their order is known.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Random } from '../random.js';
import { changeOf, type LoadChange } from './changes.js';
import { NotAccepted, type Reporter } from './reporter.js';

export interface Accepted {
  readonly property: number;
  readonly n: number;
  readonly intakeId: string;
  /** Milliseconds since 1970. */
  readonly at: number;
}

export interface Load {
  /** Reports no new changes; resolves when every one that was begun is accepted. */
  pause(): Promise<void>;
  resume(): void;
  /** The same, for good. */
  finish(): Promise<void>;
  /** The next change of a property, for somebody else to report; it counts as reported, not as accepted. */
  claim(property: number): { readonly property: number; readonly n: number };
  readonly accepted: readonly Accepted[];
  /** Below these numbers, by property, changes were reported, accepted or not. */
  readonly next: ArrayLike<number>;
  /** Reports again, under its key, something that was accepted a while ago. */
  repeat(count: number): Promise<void>;
  /** Redis loses keys with its data: what was accepted up to now is not repeated any more. */
  forgetRepeatable(): void;
  readonly counts: { readonly attempts: number; readonly refused: number; readonly repeated: number };
}

export interface LoadOptions {
  readonly properties: number;
  readonly perSecond: number;
  /** These first properties get a fifth of all changes. */
  readonly hot: number;
  readonly reporter: Reporter;
  readonly random: Random;
}

const TICK_MS = 50;
const MAX_REPEATABLE = 500;
const HOT_SHARE = 0.2;

interface Repeatable {
  readonly changes: readonly LoadChange[];
  readonly key: string;
  readonly http: boolean;
}

export function startLoad(options: LoadOptions): Load {
  const { hot, perSecond, properties, random, reporter } = options;
  const next = new Uint32Array(properties).fill(1);
  const busy = new Uint8Array(properties);
  const accepted: Accepted[] = [];
  const counts = { attempts: 0, refused: 0, repeated: 0 };
  const running = new Set<Promise<void>>();
  let repeatable: Repeatable[] = [];
  let generation = 0;
  let requests = 0;
  let owed = 0;
  let paused = false;
  let last = performance.now();

  function take(count: number): { property: number; n: number }[] {
    const taken: { property: number; n: number }[] = [];
    for (let n = 0; n < count; n += 1) {
      const property = random.chance(HOT_SHARE) ? random.integer(0, hot - 1) : random.integer(0, properties - 1);
      if (busy[property]) continue;
      busy[property] = 1;
      taken.push({ property, n: next[property] as number });
      next[property] = (next[property] as number) + 1;
    }
    return taken;
  }

  async function untilAccepted(taken: readonly { property: number; n: number }[], http: boolean): Promise<void> {
    requests += 1;
    const key = `load-${requests}`;
    const changes = taken.map(({ property, n }) => changeOf(property, n));
    const keyed = { changes, key, http };
    for (;;) {
      const before = generation;
      counts.attempts += 1;
      try {
        const ids = await send(keyed);
        const at = Date.now();
        for (const [index, { property, n }] of taken.entries()) {
          accepted.push({ property, n, intakeId: ids[index] ?? '', at });
          busy[property] = 0;
        }
        if (before === generation) repeatable.push(keyed);
        if (repeatable.length > MAX_REPEATABLE) repeatable.shift();
        return;
      } catch (error) {
        if (!(error instanceof NotAccepted)) throw error;
        counts.refused += 1;
        await sleep(100 + Math.random() * 400);
      }
    }
  }

  const send = ({ changes, http, key }: Repeatable): Promise<readonly string[]> =>
    http
      ? reporter.overHttp(changes, key)
      : reporter.overStream(changes.map((change, index) => ({ change, key: `${key}:${index}` })));

  const settled = async (): Promise<void> => {
    while (running.size > 0) await Promise.all(running);
  };

  const timer = setInterval(() => {
    const now = performance.now();
    if (paused) {
      last = now;
      return;
    }
    // What an outage held up is not made up for: a burst after each would be a load of its own.
    owed = Math.min(perSecond / 2, owed + ((now - last) * perSecond) / 1_000);
    last = now;
    const count = Math.floor(owed);
    owed -= count;
    const taken = take(count);
    if (taken.length === 0) return;
    const half = Math.ceil(taken.length / 2);
    for (const [part, http] of [
      [taken.slice(0, half), true],
      [taken.slice(half), false],
    ] as const) {
      if (part.length === 0) continue;
      const run = untilAccepted(part, http).finally(() => running.delete(run));
      running.add(run);
    }
  }, TICK_MS);

  return {
    pause() {
      paused = true;
      return settled();
    },
    resume() {
      paused = false;
    },
    finish() {
      clearInterval(timer);
      return settled();
    },
    claim(property) {
      const n = next[property] as number;
      next[property] = n + 1;
      return { property, n };
    },
    accepted,
    next,
    async repeat(count) {
      for (let n = 0; n < count && repeatable.length > 0; n += 1) {
        counts.repeated += 1;
        await send(random.pick(repeatable)).catch((error: unknown) => {
          if (!(error instanceof NotAccepted)) throw error;
        });
      }
    },
    forgetRepeatable() {
      generation += 1;
      repeatable = [];
    },
    counts,
  };
}
