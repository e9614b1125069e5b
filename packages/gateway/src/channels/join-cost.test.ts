/** What a join says that its past cost: the events that it was sent, or what had to be read where there were none to send. */
import { createMemoryStore, createSeededRandom, createVirtualClock } from '@belfry/shared/log/memory';
import type { Position } from '@belfry/shared/protocol';
import { createBackoff } from '@belfry/shared/service';
import { expect, it } from 'vitest';
import { Board } from './board.js';
import { DEFAULT_BOARD_SETTINGS } from './board-settings.js';
import { createStage, type Follower } from './channel.test-support.js';
import type { JoinRequest } from './hub-channel.js';

const LOG = 5;
/** Three keys, so three entries of the snapshot. */
const KEYS = ['HPD', 'DOB', 'ECB'];
const NOWHERE: Position = { epoch: 1, offset: 1 };
const ignore = (): void => undefined;
const subscribed = ({ got }: Follower) => got[0]?.replace(/^SUBSCRIBED \S+ ?/, '');

/** A log of five events, all others trimmed, and a channel that holds the last two of them. */
async function createBusyStage() {
  const stage = createStage({ maxEvents: LOG, tailEvents: 2 });
  const positions = [...KEYS, ...KEYS].flatMap((key) => stage.append(1, key));
  await stage.open();
  positions.push(...stage.append(1, KEYS[0]), ...stage.append(1, KEYS[1]));
  stage.arrive();
  return { stage, positions: positions.slice(-LOG) };
}

it('nothing for who comes without a past, also while the channel is being read', async () => {
  const { stage } = await createBusyStage();
  stage.join({ after: NOWHERE });
  const [fresh, referring] = [stage.join(), stage.join({ ref: 'r' })];
  await stage.answer();
  expect([fresh.cost, referring.cost]).toEqual([0, 0]);
});

it('what it is sent, whether the tail has it or the log has to be read', async () => {
  const { stage, positions } = await createBusyStage();
  const near = stage.join({ after: positions[3] });
  const last = stage.join({ rewind: 2 });
  expect(stage.reads).toHaveLength(0);
  const far = stage.join({ after: positions[0] });
  await stage.answer();
  expect([near, last, far].map(subscribed)).toEqual(['recovered +1', 'recovered +2', 'recovered +4']);
  expect([near.cost, last.cost, far.cost]).toEqual([1, 2, 4]);
});

it('one, the log and the state for a position that the log does not hold, each time; none of it is called a replay', async () => {
  const { stage } = await createBusyStage();
  for (let n = 0; n < 3; n += 1) {
    const client = stage.join({ after: NOWHERE });
    await stage.answer();
    expect(subscribed(client)).toBe('not recovered +0');
    expect(client.cost).toBe(1 + LOG + KEYS.length);
  }
});

it('one and the state for a position from the future, for which nothing of the log is read', async () => {
  const { stage, positions } = await createBusyStage();
  const { epoch, offset } = positions.at(-1) as Position;
  const client = stage.join({ after: { epoch, offset: offset + 7 } });
  await stage.answer();
  await stage.answer();
  expect(subscribed(client)).toBe('not recovered +0');
  expect(client.cost).toBe(1 + KEYS.length);
});

it('what is read for the last few where the tail has fewer', async () => {
  const { stage } = await createBusyStage();
  const client = stage.join({ rewind: 3 });
  await stage.answer();
  expect(subscribed(client)).toBe('recovered +3');
  expect(client.cost).toBe(LOG);
});

it('the same for who goes while the log is being read; nothing where it cannot be read', async () => {
  const { stage } = await createBusyStage();
  const goes = stage.join({ after: NOWHERE });
  expect(stage.channel.withdraw(goes.request, false)).toBe(true);
  const fresh = stage.join({ ref: 'r' });
  stage.channel.withdraw(fresh.request, false);
  await stage.answer();
  expect([goes.cost, goes.got, fresh.cost]).toEqual([1 + LOG + KEYS.length, [], 0]);

  const [unlucky, patient] = [stage.join({ after: NOWHERE }), stage.join({ after: NOWHERE })];
  await stage.answer(new Error('Redis is away'));
  stage.channel.withdraw(unlucky.request, false);
  await stage.clock.advance(5_000);
  await stage.answer();
  expect([unlucky.cost, patient.cost]).toEqual([0, 1 + LOG + KEYS.length]);
});

it('nothing for who was kept waiting until it was told to come back later', async () => {
  const { stage } = await createBusyStage();
  const late = stage.join({ after: NOWHERE });
  stage.channel.withdraw(late.request, true);
  await stage.answer();
  expect(late.cost).toBe(0);
});

it('a share of the log where one reading is made for several, and the state for each', async () => {
  const { stage } = await createBusyStage();
  const clients = Array.from({ length: 2 }, () => stage.join({ after: NOWHERE }));
  const fresh = stage.join({ ref: 'r' });
  await stage.answer();
  if (stage.reads.length > 1) await stage.answer();
  for (const { cost } of clients) expect(cost).toBe(1 + Math.ceil(LOG / 2) + KEYS.length);
  expect(fresh.cost).toBe(0);
});

it('one and the state for a position that a board has not come to, as it is read again for that', async () => {
  const clock = createVirtualClock();
  const store = createMemoryStore({
    now: clock.now,
    random: createSeededRandom(1),
    retention: {
      maxEvents: LOG,
      maxGlobalEvents: LOG,
      logTtlSeconds: 1e6,
      snapshotTtlSeconds: 0,
      idempotencyTtlSeconds: 60,
    },
    publish: ignore,
  });
  const events = KEYS.map((key) => ({ key, body: `{"type":"STATE_UPDATE","key":"${key}","document":{}}` }));
  store.append({ channel: 'state:tasks', lane: 0, entries: [{ intakeId: '1-1', events }] });
  const board = new Board('state:tasks', {
    log: { read: async (name, request) => store.read(name, request), positions: async () => [] },
    clock,
    createBackoff: () => createBackoff(100, 2_000, () => 0.5),
    observer: { repaired: ignore, joined: ignore, ignored: ignore, delivered: ignore },
    settings: DEFAULT_BOARD_SETTINGS,
  });
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  async function costOf(after: Position | undefined): Promise<number> {
    let cost = 0;
    const request: JoinRequest = {
      subscriber: { send: ignore, together: (block) => block(), follow: ignore, bufferedBytes: 0 },
      replay: undefined,
      after,
      rewind: undefined,
      ref: undefined,
      hasRoom: true,
      announced: true,
      onCost: (events) => {
        cost += events;
      },
      onJoined: ignore,
    };
    board.join(request);
    await turn();
    return cost;
  }
  const early = costOf({ epoch: 1, offset: 1 });
  board.open();
  await turn();
  expect(await early).toBe(0);
  const { epoch, offset } = board.position;
  expect(await costOf(undefined)).toBe(0);
  expect(await costOf({ epoch, offset })).toBe(0);
  expect(await costOf({ epoch, offset: offset + 1 })).toBe(1 + KEYS.length);
});
