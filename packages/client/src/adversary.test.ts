/**
 * Chance against the client: a gateway and a network that cut, repeat, swap, swallow and refuse at random, pages that are
 * reloaded or crash in the middle of it, clocks that jump. Whatever happens, an application hears every event once and in
 * order, or is told which ones it did not hear. A failure names its seed; the same seed fails again.
 */
import { describe, expect, it } from 'vitest';
import { createAdversary } from './adversary.test-support.js';

const SEEDS = 100;
const STEPS = 60;

describe('whatever a network and a gateway do', () => {
  it('every event is handed over once and in order, or its loss is told; after reloads too', async () => {
    const problems: string[] = [];
    let handled = 0;
    let lives = 0;
    let faults = 0;
    for (let seed = 1; seed <= SEEDS; seed++) {
      const adversary = createAdversary(seed);
      await adversary.run(STEPS);
      problems.push(...adversary.judge().map((problem) => `seed ${seed}: ${problem}`));
      handled += adversary.figures.handled;
      lives += adversary.figures.lives;
      faults += adversary.figures.faults;
    }
    expect(problems.slice(0, 5)).toEqual([]);
    // It is no proof unless much happened.
    expect(handled).toBeGreaterThan(SEEDS * 20);
    expect(lives).toBeGreaterThan(SEEDS * 2);
    expect(faults).toBeGreaterThan(SEEDS * 10);
  });

  it('is noticed by this test where a client hears an event twice, late, or not at all', async () => {
    for (const plant of ['twice', 'swapped', 'lost'] as const) {
      const found: string[] = [];
      for (let seed = 1; seed <= 20 && found.length === 0; seed++) {
        const adversary = createAdversary(seed, plant);
        await adversary.run(STEPS);
        found.push(...adversary.judge());
      }
      expect(found, plant).not.toEqual([]);
    }
  });
});
