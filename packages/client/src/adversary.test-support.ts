/** One run against chance: a model of the gateway, an application that keeps books, and what goes wrong between them. */
import { comparePositions, formatPosition, type Position, parsePosition } from '@belfry/shared/protocol';
import type { Gap, Handlers } from './api.js';
import { settled } from './fake-clock.test-support.js';
import type { FakeSocket } from './fake-socket.test-support.js';
import { createRig, type Rig } from './rig.test-support.js';

const CHANNELS = ['property:1000010001', 'property:1000010002', 'global'];
const CLOSE_CODES = [1000, 1001, 1006, 1012, 4101, 4103, 4200, 4201, 4204, 4205];

type Frame = Readonly<Record<string, unknown>>;

/** What an application did wrong on purpose, to see that it is found. */
export type Plant = 'twice' | 'swapped' | 'lost';

/** Small, fast, and the same on every machine. */
function createRandom(seed: number): () => number {
  let state = seed * 0x9e3779b9;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

interface Log {
  at: Position;
  /** The position before the first event that is kept. */
  base: string;
  kept: string[];
  /** All that ever happened. */
  readonly all: string[];
}

/** What an application knows of one channel in one life of its page. */
interface Book {
  readonly channel: string;
  /** Where this life began: behind the stored position, or wherever the channel stood. */
  start: string | undefined;
  /** Nothing was stored of it: the storage was full, or this is the first life. */
  readonly fresh: boolean;
  readonly handled: string[];
  readonly gaps: Gap[];
}

export function createAdversary(seed: number, plant?: Plant) {
  const random = createRandom(seed);
  const chance = (share: number): boolean => random() < share;
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;

  const logs = new Map<string, Log>(
    CHANNELS.map((channel) => [channel, { at: { epoch: 7, offset: 0 }, base: '7-0', kept: [], all: [] }]),
  );
  const logOf = (channel: string): Log => logs.get(channel) as Log;
  const items = new Map<string, string>();
  const books: Book[] = [];
  let faults = 0;
  let lives = 0;
  let calm = false;

  let rig: Rig;
  /** What the gateway has sent over the present connection and the network not yet delivered. */
  let onTheWay: Frame[] = [];
  let served: FakeSocket | undefined;
  let joined = new Set<string>();
  let ended: () => void = () => undefined;

  const fault = (share: number): boolean => {
    if (calm || !chance(share)) return false;
    faults++;
    return true;
  };

  const eventOf = (channel: string, id: string): Frame => ({ id, channel, type: 'VIOLATION_UPDATE', timestamp: 0 });

  function publish(channel: string): void {
    const log = logOf(channel);
    log.at = { epoch: log.at.epoch, offset: log.at.offset + 1 };
    const id = formatPosition(log.at);
    log.kept.push(id);
    log.all.push(id);
    if (!joined.has(channel)) return;
    if (fault(0.08)) return;
    onTheWay.push(eventOf(channel, id));
    if (fault(0.08)) onTheWay.push(eventOf(channel, id));
    if (fault(0.05)) onTheWay.push(eventOf(channel, pick(log.all)));
    if (onTheWay.length > 1 && fault(0.05)) onTheWay.push(...onTheWay.splice(-2).reverse());
  }

  function subscribe(message: Frame): void {
    const { ref, after } = message as { ref: string; after?: Readonly<Record<string, string>> };
    for (const channel of message.channels as string[]) {
      if (fault(0.05)) {
        onTheWay.push({ type: 'ERROR', code: pick(['unavailable', 'internal']), message: 'away', channel, ref });
        continue;
      }
      if (fault(0.03)) continue;
      const log = logOf(channel);
      const asked = after?.[channel];
      const known = [log.base, ...log.kept];
      const index = asked === undefined ? -1 : known.lastIndexOf(asked);
      const id = formatPosition(log.at);
      joined.add(channel);
      if (asked !== undefined && index === -1) {
        onTheWay.push({ type: 'SUBSCRIBED', channel, id, replay: 0, recovered: false, ref });
        onTheWay.push({ type: 'STATE', channel, id, events: log.kept.slice(-1).map((last) => eventOf(channel, last)) });
        continue;
      }
      const missed = asked === undefined ? [] : known.slice(index + 1);
      const recovered = asked !== undefined && { recovered: true };
      onTheWay.push({ type: 'SUBSCRIBED', channel, id, replay: missed.length, ...recovered, ref });
      for (const [at, next] of missed.entries()) {
        // The last of an epoch is not missed by anybody: only the gateway knows how many there were.
        const last = parsePosition(next)?.epoch !== parsePosition(missed[at + 1])?.epoch;
        if (!last && fault(0.03)) continue;
        onTheWay.push(eventOf(channel, next));
        if (fault(0.05)) onTheWay.push(eventOf(channel, next));
      }
    }
  }

  function serve(message: Frame): void {
    const { type, ref } = message;
    if (type === 'AUTHENTICATE') {
      if (fault(0.05)) onTheWay.push({ type: 'ERROR', code: 'token_invalid', message: 'no', ref });
      else if (!fault(0.03)) {
        const expires_at = rig.clock.now() / 1000 + 3600;
        onTheWay.push({ type: 'AUTHENTICATED', user_id: 'manager', expires_at, channels: [], ref });
      }
    } else if (type === 'SUBSCRIBE') subscribe(message);
    else if (type === 'UNSUBSCRIBE') for (const channel of message.channels as string[]) joined.delete(channel);
    else if (type === 'PING' && !fault(0.2)) onTheWay.push({ type: 'PONG', ref });
    else if (type === 'GET_STATE') {
      for (const channel of message.channels as string[]) {
        if (fault(0.05)) continue;
        const { kept, base } = logOf(channel);
        // Read a little earlier, as by a gateway that is behind.
        const upTo = fault(0.2) ? Math.floor(random() * (kept.length + 1)) : kept.length;
        const id = kept[upTo - 1] ?? base;
        const events = kept
          .slice(0, upTo)
          .slice(-1)
          .map((last) => eventOf(channel, last));
        onTheWay.push({ type: 'STATE', channel, id, events, ref });
      }
    }
  }

  /** The gateway hears what the client has sent. */
  async function hear(): Promise<void> {
    await settled();
    const socket = rig.network.sockets.at(-1);
    if (socket && socket !== served) {
      served = socket;
      joined = new Set();
      onTheWay = [];
      if (fault(0.1)) socket.drop(pick([1006, 4200, 4203]));
      else if (!fault(0.03)) socket.welcome({ reconnect: { first_ms: 500, max_ms: 2_000 } });
      await settled();
    }
    if (served?.closed) {
      joined = new Set();
      onTheWay = [];
    } else for (const message of served?.take() ?? []) serve(message as unknown as Frame);
    await settled();
  }

  async function deliver(count: number): Promise<void> {
    for (const frame of onTheWay.splice(0, count)) {
      if (!served?.closed) served?.frame(frame);
      if (!served?.closed && fault(0.02)) served?.raw('{"type":');
    }
    await hear();
  }

  function cut(): void {
    if (!served || served.closed) return;
    const code = pick(CLOSE_CODES);
    if (chance(0.2)) served.frame({ type: 'GOING_AWAY', reason: 'drain', reconnect_after_ms: 300 });
    const socket = served;
    joined = new Set();
    onTheWay = [];
    socket.drop(code);
  }

  /** The page is opened: a client that knows what storage knows. */
  function open(): void {
    lives++;
    let full = false;
    rig = createRig({
      random,
      getToken: async () => {
        if (fault(0.05)) throw new Error('token service is down');
        return 'token';
      },
      connectTimeoutMs: 2_000,
      storage: {
        getItem: (key) => items.get(key) ?? null,
        setItem: (key, value) => {
          full = calm ? false : chance(0.05) ? !full : full;
          // Only what is there already fits.
          if (full && !items.has(key)) throw new Error('quota exceeded');
          items.set(key, value);
        },
      },
    });
    const present: Book[] = CHANNELS.map((channel) => ({
      channel,
      start: items.get(`belfry:${channel}`),
      fresh: !items.has(`belfry:${channel}`),
      handled: [],
      gaps: [],
    }));
    books.push(...present);
    let over = false;
    for (const book of present)
      rig.client.subscribe(
        book.channel,
        handlersOf(book, () => over),
      );
    ended = () => {
      over = true;
    };
  }

  function handlersOf(book: Book, isOver: () => boolean): Handlers {
    const slow = chance(0.3);
    return {
      onEvent: ({ id }) => {
        if (isOver()) return undefined;
        note(book, id);
        // The handler of a page that is gone in the meantime never ends.
        return slow ? new Promise<void>((resolve) => rig.clock.after(random() * 200, resolve)) : undefined;
      },
      onGap: (gap) => {
        if (!isOver()) book.gaps.push(gap);
      },
      onLive: (id) => {
        if (!isOver()) book.start ??= id;
      },
      ...(chance(0.5) && {
        onState: ({ id }) => {
          if (!isOver()) book.start ??= id;
        },
      }),
    };
  }

  function note({ handled }: Book, id: string): void {
    if (plant === 'lost' && chance(0.02)) return;
    handled.push(id);
    if (plant === 'twice' && chance(0.02)) handled.push(id);
    if (plant === 'swapped' && handled.length > 1 && chance(0.02)) handled.push(...handled.splice(-2).reverse());
  }

  /** @param crash nothing is written down any more */
  async function reload(crash: boolean): Promise<void> {
    const everythingKnown = CHANNELS.every((channel) => items.has(`belfry:${channel}`));
    ended();
    if (crash && everythingKnown) {
      const before = new Map(items);
      rig.client.dispose();
      await settled();
      for (const [key, value] of before) items.set(key, value);
    } else rig.client.dispose();
    await settled();
    served = undefined;
    joined = new Set();
    onTheWay = [];
    open();
    await hear();
  }

  const steps: readonly (readonly [share: number, step: () => unknown])[] = [
    [
      6,
      () => {
        const channel = pick(CHANNELS);
        for (let left = 1 + random() * 4; left > 1; left--) publish(channel);
      },
    ],
    [6, () => deliver(1 + Math.floor(random() * 6))],
    [3, () => rig.clock.advance(random() * 1_500)],
    [1, () => rig.clock.advance(random() * 50_000)],
    [1, cut],
    [0.4, () => reload(false)],
    [0.4, () => reload(true)],
    [0.3, () => rig.clock.set(rig.clock.now() + (chance(0.5) ? 3_600_000 : -3_600_000))],
    [
      0.3,
      () => {
        const log = logOf(pick(CHANNELS));
        const gone = log.kept.splice(0, Math.floor(random() * (log.kept.length + 1)));
        log.base = gone.at(-1) ?? log.base;
      },
    ],
    [
      0.2,
      () => {
        // Another Redis took over with the same log: gateways lose their connections, clients theirs.
        const log = logOf(pick(CHANNELS));
        cut();
        log.at = { epoch: log.at.epoch + 1, offset: 0 };
        if (log.kept.length === 0) log.base = formatPosition(log.at);
      },
    ],
  ];
  const total = steps.reduce((sum, [share]) => sum + share, 0);

  async function step(): Promise<void> {
    let at = random() * total;
    for (const [share, run] of steps) {
      at -= share;
      if (at >= 0) continue;
      await run();
      break;
    }
    await hear();
  }

  async function calmDown(): Promise<void> {
    calm = true;
    // The first event behind a hole shows it, so every channel gets one more, twice.
    for (let round = 0; round < 2; round++) {
      for (const channel of CHANNELS) publish(channel);
      for (let turn = 0; turn < 80; turn++) {
        await rig.clock.advance(1_000);
        await hear();
        await deliver(onTheWay.length);
      }
    }
  }

  const isBehind = (a: string, b: string): boolean =>
    comparePositions(parsePosition(a) as Position, parsePosition(b) as Position) <= 0;

  return {
    run: async (count: number): Promise<void> => {
      open();
      await hear();
      for (let done = 0; done < count; done++) await step();
      await calmDown();
      ended();
      rig.client.dispose();
    },
    /** What an application could complain about. */
    judge: (): string[] => {
      const problems: string[] = [];
      for (const channel of CHANNELS) {
        const own = books.filter((book) => book.channel === channel);
        for (const { handled } of own) {
          for (const [index, id] of handled.entries()) {
            const before = handled[index - 1];
            if (before && isBehind(id, before)) problems.push(`${channel}: ${id} after ${before}`);
          }
        }
        // Whoever could store nothing begins anew; from there on nothing may be lost.
        const first = own.findLast(({ fresh, start }) => fresh && start)?.start;
        const told = own.flatMap(({ gaps }) => gaps.filter(({ cause }) => cause !== 'hole'));
        for (const id of logOf(channel).all) {
          if (!first || isBehind(id, first)) continue;
          if (own.some(({ handled }) => handled.includes(id))) continue;
          if (told.some((gap) => gap.after && !isBehind(id, gap.after) && isBehind(id, gap.id))) continue;
          problems.push(`${channel}: ${id} was lost`);
        }
        if (own.at(-1)?.start === undefined) problems.push(`${channel}: never joined`);
      }
      return problems;
    },
    get figures() {
      return { faults, lives, handled: books.reduce((sum, { handled }) => sum + handled.length, 0) };
    },
  };
}
