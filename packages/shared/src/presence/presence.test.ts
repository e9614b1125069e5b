/** What presence promises, with several gateways' writers on a real Redis, some of which die without a word. */
import { eventually, startRedis, type TestRedis } from '@belfry/testkit';
import calculateSlot from 'cluster-key-slot';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type Connection, connect } from '../log/index.js';
import { createSeededRandom } from '../log/memory/index.js';
import { createLogger, systemClock } from '../service/index.js';
import { presenceKeys } from './keys.js';
import { type ConnectedUser, createPresenceReader, type PresenceReader } from './reader.js';
import { type PresenceWriter, startPresenceWriter } from './writer.js';

/** Longer than this process is ever held up: who is alive here is not to be taken for gone. */
const EXPIRY_MS = 10_000;

/** A gateway, as far as presence knows it. */
interface Gateway {
  readonly node: string;
  readonly users: Map<string, number>;
  readonly channels: Map<string, number>;
  readonly writer: PresenceWriter;
  readonly connection: Connection;
  /** One more than those that come by themselves; not waited for. */
  beat(): void;
  /** SIGSTOP: not a word until it goes on. */
  freeze(): void;
  goOn(): void;
  /** kill -9: not another word. */
  kill(): void;
  /** For Redis its time is over, unless it says another word. */
  expire(): Promise<void>;
  /** Resolves once Redis has all that is true now. */
  told(): Promise<void>;
}

let redis: TestRedis;
let reader: PresenceReader;
let readerConnection: Connection;
/** Of each test its own: what a gateway of the one before has on its way to Redis concerns nobody. */
let prefix = '';
let tests = 0;
const gateways: Gateway[] = [];

beforeAll(async () => {
  redis = await startRedis();
  readerConnection = connect({ url: redis.url, name: 'reader', onError: () => undefined });
});
beforeEach(() => {
  tests += 1;
  prefix = `test-${tests}`;
  reader = createPresenceReader({ connection: readerConnection, prefix });
});
afterEach(() => {
  for (const gateway of gateways.splice(0)) gateway.kill();
});
afterAll(async () => {
  readerConnection?.disconnect();
  await redis?.stop();
});

function start(node: string): Gateway {
  const users = new Map<string, number>();
  const channels = new Map<string, number>();
  const connection = connect({ url: redis.url, name: node, onError: () => undefined });
  const timers = new Set<() => void>();
  const beats = new Set<() => void>();
  let frozen = false;
  const counts = (of: Map<string, number>) => ({ names: () => of.keys(), count: (name: string) => of.get(name) ?? 0 });
  const writer = startPresenceWriter({
    connection,
    prefix,
    node,
    users: counts(users),
    channels: counts(channels),
    expiryMs: EXPIRY_MS,
    clock: {
      ...systemClock,
      every: (ms, run) => {
        const beat = (): void => void (!frozen && run());
        const stop = systemClock.every(ms, beat);
        beats.add(beat);
        timers.add(stop);
        return stop;
      },
    },
    logger: createLogger('test', 'silent'),
  });
  const gateway: Gateway = {
    node,
    users,
    channels,
    writer,
    connection,
    beat() {
      for (const beat of beats) beat();
    },
    freeze() {
      frozen = true;
    },
    goOn() {
      frozen = false;
    },
    kill() {
      for (const stop of timers) stop();
      connection.disconnect();
    },
    async expire() {
      await redis.connect().zadd(presenceKeys(prefix).nodes, 'XX', 1, node);
    },
    async told() {
      const asked = Date.now();
      const beaten = (after: number) => {
        gateway.beat();
        return writer.currentAt > after && writer.currentAt;
      };
      // A beat that began before is not enough.
      const first = await eventually('a beat', () => beaten(asked - 1));
      await eventually('another beat', () => beaten(first));
    },
  };
  gateways.push(gateway);
  return gateway;
}

async function everybody(): Promise<ConnectedUser[]> {
  const all: ConnectedUser[] = [];
  for await (const user of reader.connectedUsers()) all.push(user);
  return all.sort((a, b) => (a.userId < b.userId ? -1 : 1));
}
async function occupied(): Promise<string[]> {
  const all = new Set<string>();
  for await (const channel of reader.occupiedChannels()) all.add(channel);
  return [...all].sort();
}
async function occupancy(channel?: string): Promise<string[]> {
  const entries = await redis.connect().xrange(presenceKeys(prefix).occupancy, '-', '+');
  return entries
    .map(([, fields]) => fields)
    .filter((fields) => channel === undefined || fields[1] === channel)
    .map((fields) => (channel === undefined ? `${fields[3]} ${fields[1]}` : String(fields[3])));
}

/** Breaks a gateway's connection, on the side of Redis. */
async function cutOff(node: string): Promise<void> {
  const list = (await redis.connect().client('LIST')) as string;
  const id = new RegExp(`^id=(\\d+) .* name=${node} `, 'm').exec(list)?.[1];
  if (id) await redis.connect().client('KILL', 'ID', id);
}

describe('presence', () => {
  it('tells who is connected, how often, since when and where', async () => {
    const [a, b] = [start('a'), start('b')];
    const before = Date.now() / 1000;
    a.users.set('landlord-7', 2).set('manager', 1);
    await a.told();
    b.users.set('landlord-7', 1);
    await b.told();
    expect(await reader.connected('landlord-7')).toMatchObject({
      userId: 'landlord-7',
      connections: 3,
      nodes: ['a', 'b'],
    });
    const { since } = (await reader.connected('manager')) as ConnectedUser;
    expect(since).toBeGreaterThanOrEqual(before);
    expect(since).toBeLessThanOrEqual(Date.now() / 1000);
    expect(await reader.isConnected('nobody')).toBe(false);
    expect([...(await reader.connectedAmong(['nobody', 'manager'])).keys()]).toEqual(['manager']);
    a.users.set('landlord-7', 1).delete('manager');
    await a.told();
    // The rest of a user's connections does not make them come anew.
    expect((await everybody()).map(({ userId, connections }) => [userId, connections])).toEqual([['landlord-7', 2]]);
    expect((await reader.connected('landlord-7'))?.since).toBeLessThan(since + EXPIRY_MS / 1000);
  });

  it('lists thousands page by page, each once, also those who are on several gateways', async () => {
    const [a, b] = [start('a'), start('b')];
    for (let n = 0; n < 3_000; n += 1) {
      if (n < 2_000) a.users.set(`user-${n}`, 1);
      if (n >= 1_000) b.users.set(`user-${n}`, 1);
    }
    await Promise.all([a.told(), b.told()]);
    const all = await everybody();
    expect(all).toHaveLength(3_000);
    expect(new Set(all.map(({ userId }) => userId)).size).toBe(3_000);
    expect(all.filter(({ nodes }) => nodes.length === 2)).toHaveLength(1_000);
  });

  it('tells who watches a channel, and when the first came and the last went, whatever gateways they are on', async () => {
    const [a, b] = [start('a'), start('b')];
    a.channels.set('property:1', 3);
    await a.told();
    b.channels.set('property:1', 1);
    await b.told();
    expect(await reader.watchersOf('property:1')).toEqual([
      { node: 'a', count: 3 },
      { node: 'b', count: 1 },
    ]);
    a.channels.set('property:1', 0);
    await a.told();
    b.channels.set('property:1', 2);
    await b.told();
    expect(await occupancy('property:1')).toEqual(['occupied']);
    b.channels.delete('property:1');
    await b.told();
    expect(await occupancy('property:1')).toEqual(['occupied', 'vacated']);
    expect(await reader.watchersOf('property:1')).toEqual([]);
    expect(await occupied()).toEqual([]);
  });

  it('forgets a gateway that is killed, and one of those that are alive says what is vacated, once', async () => {
    const killed = start('killed');
    const alive = ['a', 'b', 'c'].map(start);
    const channels = Array.from({ length: 2_000 }, (_, n) => `property:${n}`);
    for (const channel of channels) killed.channels.set(channel, 1);
    killed.users.set('landlord-7', 1).set('manager', 1);
    alive[0]?.channels.set('property:7', 1);
    alive[1]?.users.set('manager', 1);
    await Promise.all([killed, ...alive].map((gateway) => gateway.told()));
    killed.kill();
    // The expiry at most.
    const [ends, [seconds]] = await Promise.all([
      redis.connect().zscore(presenceKeys(prefix).nodes, 'killed'),
      redis.connect().time(),
    ]);
    expect(Number(ends) / 1_000 - Number(seconds)).toBeLessThan(EXPIRY_MS / 1_000 + 1);
    await eventually('its users to be gone', async () => {
      await killed.expire();
      return !(await reader.isConnected('landlord-7'));
    });
    await eventually('all of its channels to be vacated', async () => {
      for (const gateway of alive) gateway.beat();
      return (await occupied()).length === 1;
    });
    expect(await occupied()).toEqual(['property:7']);
    expect(await reader.connected('manager')).toMatchObject({ connections: 1, nodes: ['b'] });
    const vacated = (await occupancy()).filter((entry) => entry.startsWith('vacated'));
    expect(vacated.sort()).toEqual(
      channels
        .filter((name) => name !== 'property:7')
        .map((name) => `vacated ${name}`)
        .sort(),
    );
    const left = await redis.connect().keys(`${prefix}:*killed*`);
    expect(left).toEqual([]);
  });

  it('does not forget a gateway that is alive and has nothing new to tell', async () => {
    const quiet = start('quiet');
    quiet.users.set('landlord-7', 1);
    await quiet.told();
    const ends = async () => Number(await redis.connect().zscore(presenceKeys(prefix).nodes, 'quiet'));
    for (let renewal = 0; renewal < 2; renewal += 1) {
      const before = await ends();
      await eventually('a renewal', async () => (await ends()) > before);
    }
    expect(await reader.isConnected('landlord-7')).toBe(true);
  });

  it('takes a gateway back that was only frozen, with all it has by now', async () => {
    const [a, b] = [start('a'), start('b')];
    a.users.set('landlord-7', 1).set('manager', 1);
    a.channels.set('property:1', 1).set('property:2', 1);
    await a.told();
    a.freeze();
    await eventually('property:1 to be vacated', async () => {
      await a.expire();
      b.beat();
      return (await occupancy('property:1')).includes('vacated');
    });
    a.users.delete('manager');
    a.channels.set('property:2', 0);
    a.goOn();
    await a.told();
    await b.told();
    expect((await everybody()).map(({ userId }) => userId)).toEqual(['landlord-7']);
    expect(await occupancy('property:1')).toEqual(['occupied', 'vacated', 'occupied']);
    expect(await occupied()).toEqual(['property:1']);
  });

  it('is told anew after Redis has forgotten everything', async () => {
    const a = start('a');
    a.users.set('landlord-7', 2);
    a.channels.set('property:1', 1);
    await a.told();
    await redis.connect().flushall();
    await a.told();
    expect(await reader.connected('landlord-7')).toMatchObject({ connections: 2 });
    expect(await occupied()).toEqual(['property:1']);
  });

  it('takes over what the process before it left under the same name', async () => {
    const before = start('a');
    before.users.set('landlord-7', 1).set('manager', 1);
    before.channels.set('property:1', 1).set('property:2', 1);
    await before.told();
    const since = (await reader.connected('manager'))?.since;
    before.kill();
    const after = start('a');
    after.users.set('manager', 1);
    after.channels.set('property:2', 1);
    await after.told();
    expect(await everybody()).toEqual([{ userId: 'manager', connections: 1, since, nodes: ['a'] }]);
    expect(await occupancy()).toEqual(['occupied property:1', 'occupied property:2', 'vacated property:1']);
  });

  it('is taken back at once by a gateway that ends in order', async () => {
    const a = start('a');
    a.users.set('landlord-7', 1);
    a.channels.set('property:1', 1);
    await a.told();
    await a.writer.close();
    expect(await reader.isConnected('landlord-7')).toBe(false);
    expect(await occupancy('property:1')).toEqual(['occupied', 'vacated']);
  });

  it('lies in one slot of a Cluster', async () => {
    const a = start('a');
    a.users.set('landlord-7', 1);
    a.channels.set('property:1', 1);
    await a.told();
    const names = await redis.connect().keys(`${prefix}:*`);
    expect(names.length).toBeGreaterThanOrEqual(6);
    expect(new Set(names.map((name) => calculateSlot(name))).size).toBe(1);
  });

  it.each([1, 2, 3, 4])(
    'agrees with what is true, whatever comes, goes, dies and is forgotten: seed %i',
    async (seed) => {
      const random = createSeededRandom(seed);
      let serial = 0;
      const killed: Gateway[] = [];
      let alive = [start('n-0'), start('n-1'), start('n-2')];
      for (let step = 0; step < 60; step += 1) {
        const gateway = random.pick(alive);
        for (let n = 0; n < 40; n += 1) {
          const users = random.pick(alive).users;
          const channels = random.pick(alive).channels;
          users.set(`user-${random.below(50)}`, random.below(3));
          channels.set(`property:${random.below(50)}`, random.below(2));
        }
        const dice = random.below(20);
        if (dice === 0) {
          serial += 1;
          gateway.kill();
          killed.push(gateway);
          // Its time is over at once, or will be once all is said.
          if (random.chance(0.5)) await gateway.expire();
          alive = [...alive.filter((other) => other !== gateway), start(`m-${serial}`)];
        } else if (dice === 1) {
          gateway.freeze();
          await gateway.expire();
        } else if (dice === 2) for (const each of alive) each.goOn();
        // Answers get lost: what was written is not known to who wrote it.
        else if (dice < 6) await cutOff(gateway.node);
        else {
          gateway.beat();
          // Each answer lets it come a little further.
          for (let answers = random.below(8); answers > 0; answers -= 1) await redis.connect().ping();
        }
      }
      for (const gateway of alive) gateway.goOn();
      await Promise.all(alive.map((gateway) => gateway.told()));
      const sum = (of: 'users' | 'channels') => {
        const total = new Map<string, number>();
        for (const gateway of alive) {
          for (const [name, count] of gateway[of]) if (count > 0) total.set(name, (total.get(name) ?? 0) + count);
        }
        return [...total].sort(([a], [b]) => (a < b ? -1 : 1));
      };
      await eventually('what is true to be told', async () => {
        for (const gateway of killed) await gateway.expire();
        for (const gateway of alive) gateway.beat();
        const told = (await everybody()).map(({ userId, connections }) => [userId, connections]);
        return JSON.stringify(told) === JSON.stringify(sum('users'));
      });
      const followed = sum('channels').map(([name]) => name);
      await eventually(
        'the channels to be those followed',
        async () => JSON.stringify(await occupied()) === JSON.stringify(followed),
      );
      // The stream alternates for each channel, and ends with what is true.
      const last = new Map<string, string>();
      for (const entry of await occupancy()) {
        const [event = '', channel = ''] = entry.split(' ');
        expect(event).not.toBe(last.get(channel) ?? 'vacated');
        last.set(channel, event);
      }
      const occupiedAtEnd = [...last].filter(([, event]) => event === 'occupied').map(([channel]) => channel);
      expect(occupiedAtEnd.sort()).toEqual(followed);
    },
  );
});
