/** Randomness that can be had again: the same seed gives the same numbers. For simulations, never for secrets. */

export interface SeededRandom {
  /** 0 to 1, as Math.random. */
  (): number;
  /** A whole number from 0 to `below` - 1. */
  below(count: number): number;
  /** True in this share of the calls. */
  chance(share: number): boolean;
  pick<T>(items: readonly T[]): T;
  /** Another generator, that draws independently of this one. */
  fork(): SeededRandom;
}

/** mulberry32: 32 bits of state, passes PractRand for as long as any simulation runs. */
export function createSeededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  return Object.assign(next, {
    below: (count: number) => Math.floor(next() * count),
    chance: (share: number) => next() < share,
    pick: <T>(items: readonly T[]): T => items[Math.floor(next() * items.length)] as T,
    fork: () => createSeededRandom(Math.floor(next() * 2 ** 32)),
  });
}
