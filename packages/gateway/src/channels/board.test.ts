/**
 * What a board promises its followers, played through on a clock that stands still: random changes, joins, slow readers,
 * lost messages, from a seed.
 */
import { createMemoryStore, createSeededRandom, createVirtualClock, type MemoryStore } from '@belfry/shared/log/memory';
import {
  type BoardView,
  createBoardView,
  type EventMessage,
  type Position,
  parsePosition,
} from '@belfry/shared/protocol';
import { createBackoff } from '@belfry/shared/service';
import { describe, expect, it } from 'vitest';
import { Board } from './board.js';
import { DEFAULT_BOARD_SETTINGS } from './board-settings.js';
import type { HubChannel, JoinRequest } from './hub-channel.js';
import type { Frame, Subscriber } from './subscriber.js';

const INTERVAL_MS = 200;
const CHANNEL = 'state:tasks';
/** Pushes that fall due within this time leave together. */
const TICK_MS = 10;

/** Makes patches smaller than documents. */
const SAME = 'x'.repeat(100);
const ignore = (): void => undefined;

interface Received {
  readonly at: number;
  readonly event: EventMessage & { readonly events?: EventMessage[]; readonly patch?: unknown };
}

/** A client that folds what it gets, and counts the patches that do not fit. */
function createFollower(now: () => number, board: () => Board, after: Position | undefined, crowded: boolean) {
  const view: BoardView = createBoardView();
  const received: Received[] = [];
  let bufferedBytes = crowded ? 1 : 0;
  let missed = 0;
  /** How much it reads before it is slow; Infinity for a quick one. */
  let capacity = Number.POSITIVE_INFINITY;
  const subscriber: Subscriber = {
    send(frame: Frame) {
      const event = JSON.parse(Buffer.from(frame as Uint8Array).toString()) as Received['event'];
      received.push({ at: now(), event });
      capacity -= frame.length;
      if (capacity <= 0) bufferedBytes += frame.length;
      if (event.type === 'STATE') view.state({ id: event.id, events: event.events ?? [] });
      else if (event.type !== 'SUBSCRIBED' && event.type !== 'RESYNC' && view.apply(event) === 'missed') missed += 1;
    },
    together: (block) => block(),
    follow: () => {
      throw new Error('a board has no topic');
    },
    get bufferedBytes() {
      return bufferedBytes;
    },
  };
  let following: HubChannel | undefined;
  const request: JoinRequest = {
    subscriber,
    replay: undefined,
    after,
    rewind: undefined,
    ref: undefined,
    get hasRoom() {
      return bufferedBytes === 0;
    },
    announced: true,
    onCost: ignore,
    onJoined: (channel) => {
      following = channel;
    },
  };
  return {
    view,
    received,
    request,
    get missed() {
      return missed;
    },
    get following() {
      return following;
    },
    leave() {
      following?.leave(subscriber);
      following = undefined;
    },
    choke() {
      capacity = 0;
    },
    /** GET_STATE. */
    ask() {
      const state = board().stateForFollower();
      if (!state || !following) return;
      const id = `${state.position.epoch}-${state.position.offset}`;
      view.state({ id, events: state.snapshot.map((text) => JSON.parse(text) as EventMessage) });
    },
    read() {
      capacity = Number.POSITIVE_INFINITY;
      bufferedBytes = 0;
      (following ?? board()).drained(subscriber);
    },
    documents: () => Object.fromEntries([...view.items].map(([key, { document }]) => [key, document])),
    pushes: () => received.filter(({ event }) => event.type === 'STATE_UPDATE'),
  };
}

function createRig(seed: number, intervalMs = INTERVAL_MS) {
  const random = createSeededRandom(seed);
  const clock = createVirtualClock(random.fork());
  /** The share of messages that the link loses. */
  let loss = 0;
  const lost = random.fork();
  let board: Board;
  let serial = 0;
  const store: MemoryStore = createMemoryStore({
    now: clock.now,
    random: random.fork(),
    retention: {
      maxEvents: 16,
      maxGlobalEvents: 16,
      logTtlSeconds: 3_600,
      snapshotTtlSeconds: 0,
      idempotencyTtlSeconds: 60,
    },
    publish: (channel, frame) => {
      const position = parsePosition(/^\{"id":"([^"]+)"/.exec(frame)?.[1]) as Position;
      if (channel === CHANNEL && !lost.chance(loss)) board.receive(position, Buffer.from(frame));
    },
  });
  const newBoard = (): Board =>
    new Board(CHANNEL, {
      log: {
        read: async (channel, request) => {
          await new Promise<void>((resolve) => clock.after(random.below(20), resolve));
          const reading = store.read(channel, request);
          await new Promise<void>((resolve) => clock.after(random.below(20), resolve));
          return reading;
        },
        positions: async () => [],
      },
      clock,
      createBackoff: () => createBackoff(1, 10, random),
      observer: { repaired: ignore, joined: ignore, ignored: ignore, delivered: ignore },
      settings: { ...DEFAULT_BOARD_SETTINGS, intervalMs: () => intervalMs },
    });
  board = newBoard();
  board.open();
  return {
    random,
    clock,
    store,
    get board() {
      return board;
    },
    loseMessages(share: number) {
      loss = share;
    },
    set(key: string, document: Record<string, unknown> | undefined) {
      serial += 1;
      const what = document ? { document } : { removed: true };
      const body = { channel: CHANNEL, type: 'STATE_UPDATE', timestamp: clock.now() / 1000, key, ...what };
      const event = { key: `event:${key}`, body: JSON.stringify(body), ...(document ? {} : { removes: true }) };
      store.append({ channel: CHANNEL, lane: 0, entries: [{ intakeId: `1-${serial}`, events: [event] }] });
    },
    /** @param crowded whether something waits for the client already */
    join(after?: Position, crowded = false) {
      const follower = createFollower(clock.now, () => board, after, crowded);
      board.join(follower.request);
      return follower;
    },
    /** What the log says is true now. */
    truth() {
      const { snapshot } = store.read(CHANNEL, { last: 0, snapshot: 'always' });
      const events = (snapshot ?? []).map((frame) => JSON.parse(frame) as EventMessage);
      return Object.fromEntries(events.map(({ key, document }) => [key, document]));
    },
  };
}

/** The least time between two pushes of one key. */
function leastGap(received: readonly Received[]): number {
  const last = new Map<unknown, number>();
  let least = Number.POSITIVE_INFINITY;
  for (const { at, event } of received) {
    const before = last.get(event.key);
    if (before !== undefined) least = Math.min(least, at - before);
    last.set(event.key, at);
  }
  return least;
}

describe('a board', () => {
  it('tells who joins everything first, with or without a position', async () => {
    const rig = createRig(1);
    rig.set('a', { n: 1 });
    rig.set('b', { n: 2 });
    rig.set('a', undefined);
    await rig.clock.advance(100);
    const follower = rig.join();
    expect(follower.received.map(({ event }) => event.type)).toEqual(['SUBSCRIBED', 'STATE']);
    expect(follower.received[0]?.event).toMatchObject({ recovered: false, replay: 0 });
    expect(follower.documents()).toEqual({ b: { n: 2 } });
  });

  it('shows nobody a state older than the one that another gateway showed before', async () => {
    const rig = createRig(6);
    await rig.clock.advance(100);
    const first = rig.join();
    rig.loseMessages(1);
    for (let n = 0; n < 20; n += 1) {
      rig.set('a', { n });
      const without = rig.join();
      const follower = rig.join(rig.store.position(CHANNEL));
      // In the middle of a reading for the one before, too.
      await rig.clock.advance(n);
      if (n === 0) expect(without.documents()).toEqual({});
      const { event } = follower.received[1] ?? {};
      if (event) expect(event.events?.[0]?.document).toEqual({ n });
    }
    await rig.clock.advance(INTERVAL_MS + TICK_MS);
    expect(first.documents()).toEqual({ a: { n: 19 } });
    expect(first.received.map(({ event }) => event.type)).not.toContain('RESYNC');
  });

  it('shows who names a position that Redis has lost what Redis has', async () => {
    const rig = createRig(7);
    rig.set('a', { n: 1 });
    await rig.clock.advance(100);
    const follower = rig.join({ epoch: 2 ** 50, offset: 1 });
    expect(follower.received).toEqual([]);
    await rig.clock.advance(100);
    expect(follower.received.map(({ event }) => event.type)).toEqual(['SUBSCRIBED', 'STATE']);
    expect(follower.documents()).toEqual({ a: { n: 1 } });
  });

  it('sends the first change after a quiet time at once, and then the newest at the interval’s end', async () => {
    const rig = createRig(2);
    await rig.clock.advance(100);
    const follower = rig.join();
    const started = rig.clock.now();
    for (let n = 0; n < 50; n += 1) {
      rig.set('busy', { n });
      await rig.clock.advance(1);
    }
    rig.set('quiet', { n: 0 });
    await rig.clock.advance(10 * INTERVAL_MS);
    const told = follower
      .pushes()
      .map(({ at, event }) => [at - started, event.key, (event.document as { n: number })?.n]);
    expect(told).toHaveLength(3);
    expect(told[0]).toEqual([0, 'busy', 0]);
    expect(told[1]).toEqual([50, 'quiet', 0]);
    expect(told[2]?.slice(1)).toEqual(['busy', 49]);
    expect(told[2]?.[0]).toBeGreaterThanOrEqual(INTERVAL_MS);
    expect(told[2]?.[0]).toBeLessThanOrEqual(INTERVAL_MS + TICK_MS);
  });

  it('sends a patch where it is smaller, against what the follower got last', async () => {
    const rig = createRig(3);
    await rig.clock.advance(100);
    const follower = rig.join();
    const text = 'x'.repeat(500);
    for (const n of [1, 2, 3, 4]) {
      rig.set('a', { text, n, ...(n === 3 ? { extra: true } : {}) });
      await rig.clock.advance(2 * INTERVAL_MS);
    }
    const [first, ...others] = follower.pushes().map(({ event }) => event);
    expect(first?.document).toEqual({ text, n: 1 });
    expect(others.map(({ patch }) => patch)).toEqual([{ n: 2 }, { n: 3, extra: true }, { extra: null, n: 4 }]);
    expect(others.map(({ base }) => base)).toEqual([first?.id, others[0]?.id, others[1]?.id]);
    expect(follower.documents()).toEqual({ a: { text, n: 4 } });
    // Somebody who joins between two pushes knows more than the others: then the document goes out whole.
    rig.set('a', { text, n: 5 });
    await rig.clock.advance(1);
    rig.set('a', { text, n: 6 });
    const late = rig.join();
    rig.set('a', { text, n: 7 });
    await rig.clock.advance(2 * INTERVAL_MS);
    expect(late.missed + follower.missed).toBe(0);
    expect(late.documents()).toEqual({ a: { text, n: 7 } });
    expect(follower.pushes().at(-1)?.event.document).toEqual({ text, n: 7 });
  });

  it('sends a slow follower nothing more until it has read, and then the newest of each key', async () => {
    const rig = createRig(4);
    await rig.clock.advance(100);
    const slow = rig.join();
    const quick = rig.join();
    slow.choke();
    for (let n = 0; n < 1_000; n += 1) {
      rig.set(`k${n % 5}`, { n });
      await rig.clock.advance(5);
    }
    rig.set('k0', undefined);
    await rig.clock.advance(2 * INTERVAL_MS);
    expect(slow.pushes()).toHaveLength(1);
    expect(quick.pushes().length).toBeGreaterThan(100);
    slow.read();
    expect(slow.pushes()).toHaveLength(1 + 5);
    expect(slow.documents()).toEqual(rig.truth());
    // And from there on it is like the others.
    rig.set('k1', { n: 'more' });
    await rig.clock.advance(2 * INTERVAL_MS);
    expect(slow.documents()).toEqual(rig.truth());
    expect(slow.missed).toBe(0);
  });

  it('lets a client for whom much waits join once it has read, and shows it what is true then', async () => {
    const rig = createRig(8);
    rig.set('a', { n: 1 });
    await rig.clock.advance(100);
    const follower = rig.join(undefined, true);
    const withdrawn = rig.join(undefined, true);
    rig.set('a', { n: 2 });
    await rig.clock.advance(10 * INTERVAL_MS);
    expect(follower.received).toEqual([]);
    expect(rig.board.idle).toBe(false);
    expect(rig.board.withdraw(withdrawn.request, true)).toBe(true);
    for (const one of [follower, withdrawn]) one.read();
    expect(follower.received.map(({ event }) => event.type)).toEqual(['SUBSCRIBED', 'STATE']);
    expect(follower.documents()).toEqual({ a: { n: 2 } });
    rig.set('a', { n: 3 });
    await rig.clock.advance(INTERVAL_MS);
    expect(follower.documents()).toEqual({ a: { n: 3 } });
    expect(withdrawn.received).toEqual([]);
  });

  it('reads the log first for a client that has read while the board was in doubt', async () => {
    const rig = createRig(9);
    await rig.clock.advance(100);
    const follower = rig.join(undefined, true);
    rig.loseMessages(1);
    rig.set('a', { n: 1 });
    rig.loseMessages(0);
    rig.set('a', { n: 2 });
    follower.read();
    expect(follower.received).toEqual([]);
    await rig.clock.advance(100);
    expect(follower.documents()).toEqual({ a: { n: 2 } });
  });

  it('goes back with RESYNC and STATE where Redis has lost what was sent', async () => {
    const rig = createRig(5);
    rig.set('a', { n: 1 });
    await rig.clock.advance(100);
    const follower = rig.join();
    rig.set('a', { n: 2 });
    rig.set('b', { n: 2 });
    await rig.clock.advance(INTERVAL_MS);
    rig.store.restart(2);
    rig.set('c', { n: 3 });
    await rig.clock.advance(2 * INTERVAL_MS);
    expect(follower.received.map(({ event }) => event.type)).toContain('RESYNC');
    expect(follower.documents()).toEqual({ a: { n: 1 }, c: { n: 3 } });
    expect(follower.documents()).toEqual(rig.truth());
  });

  it.each(Array.from({ length: 60 }, (_, seed) => seed))(
    'leaves every follower with the newest values, none with two pushes of a key in one interval: seed %i',
    async (seed) => {
      // Shorter and longer than it takes to read the log.
      const intervalMs = [5, 20, INTERVAL_MS][seed % 3] as number;
      const rig = createRig(seed, intervalMs);
      const { random } = rig;
      const all: ReturnType<typeof rig.join>[] = [];
      /** Slow ones get what they missed when they have read, which may be soon before the next push. */
      const wasSlow = new Set<(typeof all)[number]>();
      for (let step = 0; step < 400; step += 1) {
        const follower = all.length > 0 ? random.pick(all) : undefined;
        const dice = random.below(100);
        if (dice < 60) {
          const document = {
            n: step,
            same: SAME,
            [`m${random.below(3)}`]: step,
            ...(random.chance(0.1) ? { nil: null } : {}),
          };
          rig.set(`k${random.below(6)}`, random.chance(0.15) ? undefined : document);
        } else if (dice < 64) all.push(rig.join(undefined, random.chance(0.3)));
        else if (dice < 66) follower?.leave();
        else if (dice < 69) {
          follower?.choke();
          if (follower) wasSlow.add(follower);
        } else if (dice < 72) follower?.read();
        else if (dice < 73) rig.store.restart(random.below(4));
        else if (dice < 76) follower?.ask();
        else if (dice < 79) rig.loseMessages(random.chance(0.5) ? 0.2 : 0);
        else await rig.clock.advance(random.below(60));
      }
      rig.loseMessages(0);
      for (const follower of all) follower.read();
      // The spot check that the hub makes.
      rig.board.check(rig.store.position(CHANNEL));
      await rig.clock.advance(5 * INTERVAL_MS);
      for (const follower of all) {
        if (!follower.following) continue;
        expect(follower.documents()).toEqual(rig.truth());
        if (!wasSlow.has(follower)) expect(leastGap(follower.pushes())).toBeGreaterThanOrEqual(intervalMs);
        expect(follower.missed).toBe(0);
      }
      rig.board.close();
      expect(rig.clock.pending).toBe(0);
    },
  );
});
