/**
 * The promise itself, in a thousand worlds: gateways with the real hub, channels, sessions and link; a Redis, publishers
 * and clients in memory; one virtual clock; every fault and every interleaving drawn from a seed.
 *
 *   SEEDS=100000 SEED=7 npx vitest run packages/gateway/src/simulation     or     npm run simulate -- --seeds 100000
 */
import { describe, expect, it } from 'vitest';
import { type Result, runWorld } from './run.test-support.js';
import { SABOTAGES } from './sabotage.test-support.js';

const FIRST = Number(process.env.SEED ?? 1);
const SEEDS = Number(process.env.SEEDS ?? 1_000);
/** Prints everything that happens in each world. */
const TRACE = process.env.TRACE === '1';
/** A world takes about 15 ms on one core. */
const TIMEOUT_MS = 30_000 + SEEDS * 200;
/** Every so many worlds one in which Redis loses nothing. */
const LOSSLESS_EVERY = 4;
/** The rarest sabotage is found by seed 11. */
const SEEDS_PER_SABOTAGE = 60;

const isLossless = (seed: number): boolean => seed % LOSSLESS_EVERY === 0;

/** Runs the seed once more, to tell what led to its violations. */
async function explain({ seed, violations }: Result): Promise<string> {
  const lines: string[] = [];
  await runWorld(seed, { lossless: isLossless(seed), trace: (text) => lines.push(text) });
  const at = lines.findIndex((line) => line.includes('VIOLATION'));
  return [
    `seed ${seed}: ${violations.length} violations, the first: ${violations[0]}`,
    ...lines.slice(Math.max(0, at - 30), at + 1),
    `Again, with everything that happens: TRACE=1 SEEDS=1 SEED=${seed} npx vitest run packages/gateway/src/simulation`,
  ].join('\n');
}

const add = (sums: Map<string, number>, name: string, count: number) => sums.set(name, (sums.get(name) ?? 0) + count);

describe('whatever happens', () => {
  it(
    `no event is lost, doubled or reordered without the client being told (${SEEDS} worlds from seed ${FIRST})`,
    async () => {
      const faults = new Map<string, number>();
      const sums = new Map<string, number>();
      for (let seed = FIRST; seed < FIRST + SEEDS; seed += 1) {
        const result = await runWorld(seed, {
          lossless: isLossless(seed),
          trace: TRACE ? (text) => console.log(text) : undefined,
        });
        if (result.violations.length > 0) expect.fail(await explain(result));
        for (const [name, count] of result.faults) add(faults, name, count);
        for (const [name, count] of Object.entries(result.totals)) add(sums, name, count);
        add(sums, 'accepted', result.accepted);
      }
      console.log('faults', Object.fromEntries(faults), 'seen by clients', Object.fromEntries(sums));
      if (SEEDS >= 1_000) expect(faults.size).toBeGreaterThanOrEqual(15);
    },
    TIMEOUT_MS,
  );

  it('the same seed gives the same world', async () => {
    const lives = [[], []] as [string[], string[]];
    for (const lines of lives) await runWorld(FIRST, { trace: (text) => lines.push(text) });
    expect(lives[0].length).toBeGreaterThan(100);
    expect(lives[1]).toEqual(lives[0]);
  });
});

describe('where Redis loses nothing and keeps everything', () => {
  it('no client is ever told that it missed something', async () => {
    for (let seed = 1; seed <= 50; seed += 1) {
      const { totals, violations } = await runWorld(seed, { lossless: true });
      expect({ seed, violations, resyncs: totals.resyncs, notRecovered: totals.notRecovered }).toEqual({
        seed,
        violations: [],
        resyncs: 0,
        notRecovered: 0,
      });
    }
  });
});

describe('a gateway that does wrong is found out', () => {
  it.each(SABOTAGES)('%s', async (sabotage) => {
    for (let seed = 1; seed <= SEEDS_PER_SABOTAGE; seed += 1) {
      if ((await runWorld(seed, { sabotage })).violations.length > 0) return;
    }
    expect.fail(`not found in ${SEEDS_PER_SABOTAGE} worlds`);
  });
});
