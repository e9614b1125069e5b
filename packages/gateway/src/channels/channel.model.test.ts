/**
 * A channel under fast-check: any sequence of what can happen to it, and any order in which readings of the log are
 * answered. The model is the log itself: each event a follower is shown has to be the one behind the last, or it was told.
 */
import { comparePositions, type Position } from '@belfry/shared/protocol';
import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createStage, type Follower, NAME, type Stage } from './channel.test-support.js';

/** What is true beneath: the position before each event. */
interface Truth {
  readonly before: Map<string, string>;
  events: Position[];
}

interface Real {
  readonly stage: Stage;
  readonly followers: { readonly follower: Follower; readonly after: Position | undefined }[];
}

type Command = fc.AsyncCommand<Truth, Real>;

const command = (name: string, run: (truth: Truth, real: Real) => Promise<void> | void): Command => ({
  check: () => true,
  run: async (truth, real) => run(truth, real),
  toString: () => name,
});

/** Where the log ends, which may be a mark. */
function endOf(stage: Stage): string {
  const end = stage.store.position(NAME);
  return end ? stage.short(end) : 'none';
}

function append(truth: Truth, { stage }: Real, count: number): void {
  let previous = endOf(stage);
  for (const position of stage.append(count, 'HPD')) {
    const id = stage.short(position);
    truth.before.set(id, previous);
    previous = id;
    truth.events.push(position);
  }
}

const appends = fc
  .integer({ min: 1, max: 4 })
  .map((count) => command(`append ${count}`, (t, r) => append(t, r, count)));
const arrives = fc
  .integer({ min: 1, max: 5 })
  .map((count) => command(`arrive ${count}`, (_, { stage }) => stage.arrive(Math.min(count, stage.wire.length))));
const loses = fc
  .integer({ min: 1, max: 3 })
  .map((count) => command(`lose ${count}`, (_, { stage }) => stage.lose(count)));
const joins = fc.option(fc.nat({ max: 30 }), { nil: undefined }).map((back) =>
  command(`join ${back === undefined ? 'fresh' : `${back} back`}`, (truth, { stage, followers }) => {
    const after = back === undefined ? undefined : truth.events.at(-1 - back);
    followers.push({ follower: stage.join({ after }), after });
  }),
);
const checks = fc.constant(command('check', (_, { stage }) => stage.channel.check(stage.store.position(NAME))));
const restarts = fc.integer({ min: 0, max: 5 }).map((lost) =>
  command(`restart, ${lost} writes lost`, async (truth, { stage }) => {
    stage.store.restart(lost);
    await stage.clock.advance(5);
    const end = stage.store.position(NAME);
    truth.events = truth.events.filter((position) => end && comparePositions(position, end) <= 0);
  }),
);
const answers = fc.boolean().map((fails) =>
  command(fails ? 'the log fails' : 'the log answers', async (_, { stage }) => {
    if (stage.pending()) await stage.answer(fails ? new Error('away') : undefined);
  }),
);
const waits = fc.constant(command('time passes', (_, { stage }) => stage.clock.advance(500)));

/** Every event is the one behind what the follower had, unless RESYNC and STATE, or `not recovered` and STATE, came between. */
function audit(truth: Truth, { stage, followers }: Real): void {
  for (const { follower, after } of followers) {
    let position: string | undefined;
    for (const [n, frame] of follower.got.entries()) {
      const [kind, id] = frame.split(' ') as [string, string];
      if (kind === 'SUBSCRIBED') position = frame.includes(' recovered') && after ? stage.short(after) : id;
      if (kind === 'RESYNC' || frame.includes('not recovered')) expect(follower.got[n + 1]).toMatch(`STATE ${id}`);
      if (kind === 'STATE') position = id;
      if (kind !== 'event') continue;
      expect(truth.before.get(id), `${frame} in ${follower.got.join(', ')}`).toBe(position);
      position = id;
    }
    expect(position, `the end of ${follower.got.join(', ')}`).toBe(endOf(stage));
  }
}

/** Everything that can be answered is, and what was missed is looked for, as after a sync. */
async function heal(real: Real): Promise<void> {
  const { stage } = real;
  for (let round = 0; round < 20; round += 1) {
    stage.arrive();
    while (stage.pending()) await stage.answer();
    stage.channel.check(stage.store.position(NAME));
    await stage.clock.advance(2_000);
  }
}

it('no sequence of events, losses, joins, restarts and failing readings shows a follower what does not follow', async () => {
  const commands = fc.commands(
    [appends, appends, arrives, arrives, loses, joins, checks, restarts, answers, answers, waits],
    {
      maxCommands: 60,
    },
  );
  const limits = fc.record({
    maxEvents: fc.integer({ min: 3, max: 30 }),
    tailEvents: fc.integer({ min: 1, max: 30 }),
    tailBytes: fc.constantFrom(0, 500, 1e6),
    maxHeld: fc.integer({ min: 1, max: 10 }),
  });
  await fc.assert(
    fc.asyncProperty(commands, limits, async (sequence, limit) => {
      const stage = createStage(limit);
      const truth: Truth = { before: new Map(), events: [] };
      const real: Real = { stage, followers: [] };
      append(truth, real, 2);
      stage.channel.open();
      await fc.asyncModelRun(() => ({ model: truth, real }), sequence);
      await heal(real);
      audit(truth, real);
    }),
    { numRuns: 3_000 },
  );
});
