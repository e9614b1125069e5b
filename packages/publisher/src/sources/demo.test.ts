/** The demo feed's changes are as good as anybody's, and the same for the same seed. */
import { type Clock, createLogger } from '@belfry/shared/service';
import { expect, it } from 'vitest';
import { type Change, parseChange } from '../changes/change.js';
import { startDemoFeed } from './demo.js';
import { isBbl } from './nyc/bbl.js';

const logger = createLogger('test', 'silent');

/** Runs the feed for `ticks` of a clock that stands still otherwise. */
async function changesOf(
  seed: number,
  ticks: number,
  fails: (tick: number) => boolean = () => false,
): Promise<Change[]> {
  const changes: Change[] = [];
  let tick: () => void = () => undefined;
  let count = 0;
  const clock: Clock = {
    now: () => 1_780_000_000_000 + count * 1_000,
    after: () => () => undefined,
    every: (_ms, run) => {
      tick = run;
      return () => undefined;
    },
  };
  const submit = async (submitted: readonly Change[]): Promise<void> => {
    if (fails(count)) throw new Error('intake is away');
    changes.push(...submitted);
  };
  const feed = startDemoFeed({ submit, clock, logger, seed });
  for (; count < ticks; count += 1) {
    tick();
    await new Promise((resolve) => setImmediate(resolve));
  }
  await feed.close();
  return changes;
}

it('every change is valid, about an example property, and differs from the one before it by one violation', async () => {
  const changes = await changesOf(1, 300);
  expect(changes).toHaveLength(300);
  const counts = new Map<string, number>();
  for (const change of changes) {
    expect(parseChange(change)).toHaveProperty('change');
    expect(isBbl(change.property_id)).toBe(true);
    if (!('violations' in change)) throw new Error('must be a full report');
    const key = `${change.property_id} ${change.violation_type}`;
    expect(Math.abs(change.violations.length - (counts.get(key) ?? 0))).toBe(1);
    counts.set(key, change.violations.length);
  }
});

it('the same seed makes the same changes, another seed others', async () => {
  expect(await changesOf(7, 50)).toEqual(await changesOf(7, 50));
  expect(await changesOf(7, 50)).not.toEqual(await changesOf(8, 50));
});

it('goes on after a change that was not taken, without leaving it out of what is open', async () => {
  const changes = await changesOf(1, 100, (tick) => tick % 10 === 3);
  expect(changes).toHaveLength(90);
});
