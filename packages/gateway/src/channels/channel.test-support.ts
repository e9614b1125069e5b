/** A channel on a log in memory, whose readings a test lets through one by one. */
import type { ChannelReading, LogReader, ReadRequest } from '@belfry/shared/log';
import {
  createMemoryStore,
  createSeededRandom,
  createVirtualClock,
  type MemoryStore,
  type VirtualClock,
} from '@belfry/shared/log/memory';
import { formatPosition, type Position, parsePosition } from '@belfry/shared/protocol';
import { createBackoff } from '@belfry/shared/service';
import { Channel } from './channel.js';
import { positionInFrame } from './event-position.js';
import type { JoinRequest } from './hub-channel.js';
import type { Frame } from './subscriber.js';
import { createTailBudget } from './tail.js';

export const NAME = 'property:1012650001';

interface PendingRead {
  readonly request: ReadRequest;
  /** Lets the log answer with what it holds now, or fail. */
  answer(failure?: Error): Promise<void>;
}

export interface Follower {
  /** Everything it was shown, in short: `SUBSCRIBED 0-2 +1`, `event 0-3`, `STATE 0-3 (1)`, `RESYNC 0-3`. */
  readonly got: string[];
  readonly request: JoinRequest;
  joined: boolean;
  /** What the channel says that its past cost, in events. */
  cost: number;
}

export interface Stage {
  readonly channel: Channel;
  readonly store: MemoryStore;
  readonly clock: VirtualClock;
  /** Readings asked for so far. */
  readonly reads: PendingRead[];
  /** What was published at the log and not yet handed to the channel. */
  readonly wire: Buffer[];
  readonly repairs: string[];
  /** Appends events; they wait on `wire`. */
  append(count?: number, key?: string): Position[];
  /** Hands the channel what waits on the wire, all or the first `count`. */
  arrive(count?: number): void;
  /** Takes the first `count` off the wire: they never arrive. */
  lose(count: number): void;
  join(options?: { after?: Position | undefined; rewind?: number; ref?: string }): Follower;
  /** The next reading that was asked for and not answered. */
  answer(failure?: Error): Promise<void>;
  /** Whether there is one. */
  pending(): boolean;
  /** Opened, its first reading answered. */
  open(): Promise<void>;
  /** A position as tests name it: epochs counted from 0. */
  short(position: Position | string): string;
}

export interface StageOptions {
  readonly maxEvents?: number;
  readonly tailEvents?: number;
  readonly tailBytes?: number;
  readonly maxHeld?: number;
}

export function createStage(options: StageOptions = {}): Stage {
  const clock = createVirtualClock();
  const maxEvents = options.maxEvents ?? 100;
  const wire: Buffer[] = [];
  const reads: PendingRead[] = [];
  const repairs: string[] = [];
  const followers = new Set<Follower>();
  const epochs: number[] = [];
  let answered = 0;
  let serial = 0;

  const store = createMemoryStore({
    now: clock.now,
    random: createSeededRandom(1),
    retention: {
      maxEvents,
      maxGlobalEvents: maxEvents,
      logTtlSeconds: 1e6,
      snapshotTtlSeconds: 0,
      idempotencyTtlSeconds: 60,
    },
    publish: (_channel, frame) => void wire.push(Buffer.from(frame)),
  });

  const log: LogReader = {
    read: (name, request) =>
      new Promise<ChannelReading>((resolve, reject) => {
        reads.push({
          request,
          async answer(failure) {
            if (failure) reject(failure);
            else resolve(store.read(name, request));
            await new Promise((done) => setImmediate(done));
          },
        });
      }),
    positions: async (names) => names.map((name) => store.position(name)),
  };

  function short(position: Position | string): string {
    const { epoch, offset } = (typeof position === 'string' ? parsePosition(position) : position) as Position;
    if (!epochs.includes(epoch)) epochs.push(epoch);
    return `${epochs.indexOf(epoch)}-${offset}`;
  }

  function inShort(frame: Frame): string {
    const message = JSON.parse(Buffer.from(frame).toString('utf8'));
    switch (message.type) {
      case 'SUBSCRIBED': {
        const outcome = message.recovered === undefined ? '' : message.recovered ? ' recovered' : ' not recovered';
        return `SUBSCRIBED ${short(message.id)}${outcome} +${message.replay}`;
      }
      case 'STATE':
        return `STATE ${short(message.id)} (${message.events.length})`;
      case 'RESYNC':
        return `RESYNC ${short(message.id)}`;
      default:
        return `event ${short(message.id)}`;
    }
  }

  const nothing = (): void => undefined;
  const channel = new Channel(NAME, {
    log,
    publish: (_name, frame) => {
      for (const follower of followers) follower.got.push(inShort(frame));
    },
    clock,
    createBackoff: () => createBackoff(100, 2_000, () => 0.5),
    budget: createTailBudget(options.tailBytes ?? 1e6),
    observer: {
      repaired: (cause, outcome) => void repairs.push(`${cause}: ${outcome}`),
      joined: nothing,
      ignored: nothing,
      delivered: nothing,
    },
    tailEvents: options.tailEvents ?? 100,
    maxHeld: options.maxHeld ?? 1_000,
  });

  const stage: Stage = {
    channel,
    store,
    clock,
    reads,
    wire,
    repairs,
    short,
    append(count = 1, key) {
      serial += 1;
      const events = Array.from({ length: count }, (_, n) => ({ key, body: `{"type":"T","n":"${serial}.${n}"}` }));
      const outcome = store.append({ channel: NAME, lane: 0, entries: [{ intakeId: `1-${serial}`, events }] });
      if (outcome.status !== 'ok') throw new Error(outcome.status);
      return (outcome.results[0] ?? []).map((id) => parsePosition(id) as Position);
    },
    arrive(count = wire.length) {
      for (const frame of wire.splice(0, count)) {
        channel.receive(positionInFrame(frame) as Position, frame);
        // The connection uses its buffer again: whoever kept a view on it shows that now.
        frame.fill('#');
      }
    },
    lose: (count) => void wire.splice(0, count),
    join({ after, rewind, ref } = {}) {
      const follower: Follower = {
        got: [],
        joined: false,
        cost: 0,
        request: {
          subscriber: {
            send: (frame) => void follower.got.push(inShort(frame)),
            follow: () => void followers.add(follower),
            together: (block) => block(),
            bufferedBytes: 0,
          },
          replay: undefined,
          after,
          rewind,
          ref,
          hasRoom: true,
          announced: true,
          onCost: (events) => {
            follower.cost += events;
          },
          onJoined: () => {
            follower.joined = true;
          },
        },
      };
      channel.join(follower.request);
      return follower;
    },
    pending: () => answered < reads.length,
    async answer(failure) {
      const read = reads[answered];
      if (!read) throw new Error(`no reading has been asked for since the ${answered}th`);
      answered += 1;
      await read.answer(failure);
    },
    async open() {
      channel.open();
      await stage.answer();
      reads.length = 0;
      answered = 0;
    },
  };
  return stage;
}

export const shown = (stage: Stage, positions: readonly Position[]): string[] =>
  positions.map((position) => `event ${stage.short(formatPosition(position))}`);
